"""The wire stories: what libzmq said once, heard again by a Connection and by a trace."""

from base64 import b64decode
from pathlib import Path
from unittest.mock import patch

import pytest

from minizmtp.constants import SocketType
from minizmtp.trace import Side, cover
from minizmtp.trace.story import FOLDER, Story, load, names, read, text_of
from minizmtp.wire import Cancel, Connection, Error, Event, Ping, Pong, Subscribe
from minizmtp.wire.curve import CurveClient, keypair, scripted
from minizmtp.wire.mechanisms import Mechanism, Null
from minizmtp.wire.plain import PlainClient, PlainServer
from minizmtp.wire.switched import SwitchedConnection
from minizmtp.wire.z85 import decode
from tests.minizmtp.hearing import Heard, agree, flat

CLIENT, SERVER = Side.CLIENT, Side.SERVER
every_story = pytest.mark.parametrize("name", names())

# What is told to each side, beside Greeting, AuthRequest and Ready. The server's ear in "curve" is left out: its keys
# were libzmq's, and are forgotten.
TOLD: dict[str, dict[Side, list[Event]]] = {
    "reqrep": {SERVER: [[b"", b"hello"]], CLIENT: [[b"", b"world"]]},
    "pubsub": {SERVER: [Subscribe(b"news"), Cancel(b"news")], CLIENT: [[b"news", b"rain"]]},
    "pubsub-3.0": {SERVER: [[b"\x01news"], [b"\x00news"]], CLIENT: [[b"news", b"rain"]]},
    "ws": {SERVER: [[b"\x01news"]], CLIENT: [[b"news", b"rain"]]},
    "heartbeat": {SERVER: [Ping(20, b"")], CLIENT: [Pong(b"")]},
    "refused": {SERVER: [], CLIENT: [Error(b"400")]},
    "plain": {SERVER: [[b"work"]], CLIENT: []},
    "plain-refused": {SERVER: [], CLIENT: [Error(b"400")]},
    "curve": {CLIENT: [[b"", b"world"]]},
}


def ear(story: Story, side: Side) -> Connection:
    """The end that hears what side says."""
    kind = SocketType[story.about[side.other.value].partition(",")[0]]
    mechanism: Mechanism = Null()
    if story.about["mechanism"] == "PLAIN":
        mechanism = PlainServer() if side is CLIENT else PlainClient(b"any", b"any")
    elif story.about["mechanism"] == "CURVE":
        keys = {name: decode(key) for name, key in story.keys.items()}
        (server, _), client = keypair(keys["server_secret"]), keypair(keys["client_secret"])
        mechanism = CurveClient(*client, server, scripted(keys["client_transient"], bytes(16)))
    if story.said(CLIENT).startswith(b"GET "):
        return over_websocket(story, side, kind)
    return Connection(kind, mechanism=mechanism)


def over_websocket(story: Story, side: Side, kind: SocketType) -> Connection:
    """A client is given the recorded key, because the server's answer fits no other."""
    if side is CLIENT:
        return SwitchedConnection(kind, identity=b"", path="/news")
    (key,) = [span.octets.split()[1] for span in story.trace().spans(CLIENT) if span.name == "Sec-WebSocket-Key"]
    with patch("minizmtp.wire.upgrade.os.urandom", return_value=b64decode(key)):
        return SwitchedConnection(kind, identity=b"", target=("localhost", "/news"))


def is_worth_telling(event: object) -> bool:
    return isinstance(event, (list, Subscribe, Cancel, Ping, Pong, Error))


def test_the_story_files_cover_each_mechanism():
    assert set(names()) == set(TOLD)
    assert {load(name).about["mechanism"] for name in names()} == {"NULL", "PLAIN", "CURVE"}


@every_story
def test_a_replayed_story_yields_its_events_and_its_trace(name):
    story = load(name)
    trace = story.trace()
    for side in Side:
        assert cover(trace.spans(side), story.said(side))
        if side.other not in TOLD[name]:
            continue
        heard = Heard(ear(story, side))
        for write in story.writes:
            if write.side is side:
                heard.hear(write.octets)
        assert [event for event in heard.events if is_worth_telling(event)] == TOLD[name][side.other]
        agree(heard, trace.spans(side))
        assert not [span for span in trace.spans(side) if span.kind in ("wrong", "partial")]


@every_story
def test_the_words_in_a_story_are_those_of_the_trace(name):
    """If not: `python -m interop_tests.record --words`."""
    assert (FOLDER / f"{name}.txt").read_text("utf-8") == text_of(load(name))


def test_only_the_keys_of_a_story_open_its_boxes():
    story = load("curve")
    for side, texts in ((CLIENT, [b"hello"]), (SERVER, [b"world"])):
        spans = story.trace().spans(side)
        assert [span.octets for span in flat(spans) if span.kind == "body"] == texts
        assert all(span.inside for span in spans if span.name == "box")
        spans = story.trace(opened=False).spans(side)
        assert not [span for span in spans if span.inside or span.kind == "body"]
        assert cover(spans, story.said(side))


def test_a_story_survives_its_file():
    for name in names():
        story = load(name)
        assert read(text_of(story)) == story


def test_a_line_that_no_story_has_is_refused():
    with pytest.raises(ValueError, match="not a valid line of a story: nobody"):
        read("# A title.\nnobody 0.0000\n")


def test_what_the_readme_shows_of_a_story_is_in_it():
    """But for the moment, which is another in each recording."""
    text = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    _, _, shown = text.partition("```\nclient ")
    assert shown.partition("```")[0].partition("\n")[2] in (FOLDER / "pubsub.txt").read_text("utf-8")
