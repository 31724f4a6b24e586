"""What a Connection makes of octets, and whether a trace of them says the same."""

from collections.abc import Iterable, Iterator

from minizmtp.errors import ProtocolError
from minizmtp.trace import Span
from minizmtp.wire import (
    NEED_DATA,
    AuthReply,
    AuthRequest,
    Cancel,
    Connection,
    ConnectionClosed,
    Ping,
    Pong,
    Ready,
    Subscribe,
)

TRAFFIC_COMMANDS = ("SUBSCRIBE", "CANCEL", "PING", "PONG")


class Heard:
    """What a Connection makes of what it is given: its events, and why it refuses what came then, if it does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: list[object] = []
        self.error: ProtocolError | None = None

    def hear(self, octets: bytes) -> None:
        self.connection.receive_data(octets)
        try:
            while not self.error and (event := self.connection.next_event()) is not NEED_DATA:
                if isinstance(event, ConnectionClosed):
                    break
                self.events.append(event)
                if isinstance(event, AuthRequest):
                    self.connection.receive_auth_reply(AuthReply(200))
        except ProtocolError as error:
            self.error = error


def flat(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in boxes instead of their boxes."""
    for span in spans:
        yield from flat(span.inside) if span.inside else [span]


def agree(heard: Heard, spans: list[Span], *, same_words: bool = True) -> None:
    """Is what the spans say that what the Connection understood, and refused?"""
    wrong = [span for span in spans if span.wrong]
    assert len(wrong) == (heard.error is not None)
    assert not same_words or [span.value for span in wrong] == [str(heard.error) for _ in wrong]
    inner = list(flat(spans))
    bodies = b"".join(span.octets for span in inner if span.kind == "body")
    messages = b"".join(frame for event in heard.events if isinstance(event, list) for frame in event)
    assert bodies.startswith(messages)
    told = [event for event in heard.events if isinstance(event, (Subscribe, Cancel, Ping, Pong))]
    commands = [span.value for span in inner if span.name == "command" and span.value in TRAFFIC_COMMANDS]
    assert commands[: len(told)] == [type(event).__name__.upper() for event in told]
    prefixes = [event.prefix for event in told if isinstance(event, (Subscribe, Cancel)) and event.prefix]
    assert [span.octets for span in inner if span.name == "prefix" and span.kind == "command"][
        : len(prefixes)
    ] == prefixes
    for event in heard.events:
        if isinstance(event, Ready):
            values = dict.fromkeys(event.metadata.values())
            shown = [span.octets for span in inner if span.name == "value"]
            assert [value for value in values if value] == list(dict.fromkeys(shown))[: len([v for v in values if v])]
