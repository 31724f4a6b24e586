"""Each part of the tour by itself: it runs, all that it claims comes true, and what it says can be drawn."""

import pytest

from minizmtp.demo.blocks import Bars, Claim, Conversation, Ending, Heading, Lesson, Table, Timeline
from minizmtp.demo.terminal import CELLS, WIDTH
from minizmtp.demo.tour import PARTS
from minizmtp.trace import KINDS


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
async def test_a_part_comes_true_and_can_be_drawn(play, part):
    played = await play(part.name)
    assert played.broken == []
    assert not [line for line in played.text.splitlines() if len(line) > WIDTH or line != line.rstrip()]
    assert [block.name for block in played.blocks if isinstance(block, Heading)] == [part.name]
    claims = [block for block in played.blocks if isinstance(block, Claim)]
    assert len(claims) >= 3
    assert any(isinstance(block, Lesson) for block in played.blocks)
    ending = played.blocks[-1]
    assert isinstance(ending, Ending)
    assert (ending.claims, ending.broken, ending.read_next) == (len(claims), (), part.read_next)
    for block in played.blocks:
        check(block)


async def test_a_system_without_unix_sockets_leaves_them_out(play, monkeypatch):
    monkeypatch.delattr("socket.AF_UNIX")
    played = await play("transports")
    assert played.broken == []
    (bars,) = [block for block in played.blocks if isinstance(block, Bars)]
    assert [bar.label for bar in bars.bars] == ["REQ/REP over tcp", "REQ/REP over inproc", "HTTP over tcp"]


def check(block) -> None:
    """Check what the renderers expect of a block."""
    match block:
        case Table(columns, rows):
            assert rows
            assert {len(row) for row in rows} == {len(columns)}
        case Timeline(_, protocol, seconds, lanes, legend):
            assert protocol in ("http", "zmtp")
            assert set(legend) <= set(CELLS)
            for stretch in [stretch for lane in lanes for stretch in lane.stretches]:
                assert 0 <= stretch.start <= stretch.end <= seconds
                assert stretch.kind in legend
        case Bars(_, unit, bars, _):
            assert unit
            assert all(bar.value > 0 and bar.words and bar.protocol in ("http", "zmtp") for bar in bars)
        case Conversation(_, protocol, spans):
            assert protocol in ("http", "zmtp")
            assert {span.kind for span in spans} <= set(KINDS) - {"wrong", "partial"}
            assert [span.at for span in spans] == sorted(span.at for span in spans)
