"""The wire stories, recorded again, have the same fields as before; the writes may differ."""

import pytest

from interop_tests.node_peer import why_missing
from interop_tests.record import SCRIPTS, record
from minizmtp.trace import Side, Span
from minizmtp.trace.story import Story, load, names

# Fields that are random or depend on the time.
MAY_DIFFER = {"padding", "nonce", "cookie nonce", "cookie box", "vouch nonce", "vouch box", "box", "S'"}
MAY_DIFFER |= {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Accept", "masking key", "payload"}


def shape(story: Story) -> dict[Side, list[object]]:
    """The fields of each side, with those inside the boxes, and their octets unless they may differ."""
    trace = story.trace()
    return {side: [fields(span) for span in trace.spans(side)] for side in Side}


def fields(span: Span) -> object:
    octets = b"" if span.name in MAY_DIFFER else span.octets
    return span.name, octets, len(span.octets), span.wrong, [fields(inner) for inner in span.inside]


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.requirement("37-3", "37-13", "37-58", "37-67", "37-68", "24-3", "24-9", "26-36")
async def test_a_story_told_again_is_the_same_story(name: str) -> None:
    if name == "ws" and (reason := why_missing("zeromq")):
        pytest.skip(reason)
    assert shape(await record(SCRIPTS[name])) == shape(load(name))


@pytest.mark.requirement("37-3")
def test_each_story_can_be_told_again() -> None:
    assert names() == sorted(SCRIPTS)
