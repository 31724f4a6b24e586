"""Watching: what passes gets names, and goes to the screen, into the capture, and into what is kept.

                            ┌► Trace ─► spans ─┬► Show ─► Screen    live
    Relay ─► Tap ─► Ear ────┤                  └► Conversation      kept, for --json and --html
                  (one for  └► Flow ─► packets ─► the capture       written as it comes
           each connection)

The tap must not harm those to whom it listens. So whatever goes wrong here ends here: a trace that raises, a disk that
is full. What failed is left out from then on, and that is said; the relay hears nothing of it.

And it must not grow. Of each connection, both sides together, no more is kept than `keep` octets; what passes after
them is counted. What is not whole after HELD octets is not waited for any longer: from there on its connection is
relayed, and no more annotated.

Below this module: `relay`, whose Watcher this is; `show`, `pcap`, `conversation`.
Read next: `__main__`.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ..endpoints import Endpoint
from ..trace import Keys, Side, Span, Trace
from .conversation import Conversation, End, Write
from .pcap import Flow, file_header, made_up, records
from .relay import words
from .screen import Screen
from .show import Show, octets

# How many octets may have come of one thing before a trace has seen all of it.
HELD = 64 << 20


class BinaryFile(Protocol):
    """What a capture is written to."""

    def write(self, data: bytes, /) -> object:
        """All of it."""


class Ear:
    """What is known of one connection. trace, flow: None where nobody needs them, or where they have failed."""

    def __init__(self, conversation: Conversation, trace: Trace | None, flow: Flow | None, is_kept: bool) -> None:
        self.conversation = conversation
        self.trace = trace
        self.flow = flow
        self.is_kept = is_kept
        self.said = dict.fromkeys(Side, 0)  # octets
        self.named = dict.fromkeys(Side, 0)  # of these, in spans that are complete
        self.writes = dict.fromkeys(Side, 0)  # since the last such span


class Tap:
    """Who watches the relay.

    screen: where to show what passes. capture: where packets go. keep: how many octets of each connection are kept in
    `conversations`. keys: to open what CURVE has closed. epoch: when trio's clock showed 0, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        screen: Screen | None = None,
        show: Show | None = None,
        capture: BinaryFile | None = None,
        keep: int = 0,
        keys: Keys | None = None,
        epoch: float = 0.0,
    ) -> None:
        self.conversations: list[Conversation] = []
        self.connections = 0
        self.failures: list[str] = []
        self._screen = screen
        self._show = show or Show()
        self._capture = capture
        self._keep = keep
        self._keys = keys
        self._epoch = epoch
        self._zero = 0.0  # the time of the first connection
        self._ears: dict[int, Ear] = {}
        if capture:
            capture.write(file_header())

    # ------------------------------------------------------------------------------------------- what the relay says

    def opened(self, client: Endpoint | None, server: Endpoint | None, at: float) -> int:
        at += self._epoch
        self.connections += 1
        number = self.connections
        if number == 1:
            self._zero = at
        conversation = Conversation(number, name_of(client), name_of(server), at)
        trace = Trace(keys=self._keys) if self._screen or self._keep else None
        flow = Flow(made_up(number, client, server)) if self._capture else None
        ear = self._ears[number] = Ear(conversation, trace, flow, is_kept=self._keep > 0)
        if ear.is_kept:
            self.conversations.append(conversation)
        self._tell(ear, f"{conversation.client or 'a client'} → {conversation.server or 'nobody'}", at)
        if flow:
            self._write(ear, flow.opening() if server else flow.refusal(), at)
        return number

    def passed(self, connection: int, side: Side, octets: bytes, at: float) -> None:
        at += self._epoch
        ear = self._ears[connection]
        ear.said[side] += len(octets)
        if ear.flow:
            self._write(ear, ear.flow.said(side, octets), at)
        if ear.trace:
            self._annotate(ear, ear.trace, side, octets, at)

    def ended(self, connection: int, side: Side, why: str, at: float) -> None:
        at += self._epoch
        ear = self._ears[connection]
        ear.conversation.ends.append(End(side, why, at))
        if ear.flow and ear.conversation.server:
            self._write(ear, ear.flow.death(side) if why else ear.flow.end(side), at)
        if ear.trace:
            try:
                self._show_spans(ear, side, ear.trace.end(side, at), at)
            except Exception as error:
                self._stop_annotating(ear, error, at)
        self._tell(ear, f"{side.value} {f'died: {why}' if why else 'says no more'}", at)

    def closed(self, connection: int, at: float) -> None:
        at += self._epoch
        ear = self._ears.pop(connection)
        self._settle(ear, at)
        ear.conversation.closed = at
        kept = sum(len(span.octets) for side in Side for span in ear.conversation.spans[side])
        ear.conversation.left_out = sum(ear.said.values()) - kept
        self._tell(ear, "closed; " + ", ".join(f"{side.value} {octets(ear.said[side])}" for side in Side), at)

    # ------------------------------------------------------------------------------------------------ the annotation

    def _annotate(self, ear: Ear, trace: Trace, side: Side, octets: bytes, at: float) -> None:
        """Names for what has passed. Also a mistake in a trace must not end the connection: hence Exception."""
        try:
            spans = trace.feed(side, octets, at)
            if ear.is_kept:
                ear.conversation.writes.append(Write(side, ear.said[side] - len(octets), len(octets), at))
            else:
                trace.forget()
            ear.writes[side] += 1
            self._show_spans(ear, side, spans, at)
        except Exception as error:
            self._stop_annotating(ear, error, at)
        if ear.said[side] - ear.named[side] > HELD:
            self._stop_annotating(ear, f"no end of what the {side.value} began to say", at)
        elif sum(ear.said.values()) >= self._keep:
            self._settle(ear, at)

    def _show_spans(self, ear: Ear, side: Side, spans: Sequence[Span], at: float) -> None:
        if not spans:
            return
        size = sum([len(span.octets) for span in spans])
        ear.named[side] += size
        if self._screen and self._screen.is_full:
            self._screen.skip(size)
        elif self._screen:
            number, after = ear.conversation.number, at - self._zero
            self._screen.say(self._show.spans(number, side, spans, after, ear.writes[side]))
        ear.writes[side] = 0

    def _settle(self, ear: Ear, at: float) -> None:
        """What is kept of this connection is complete: take it out of the trace."""
        if ear.is_kept and ear.trace:
            conversation = ear.conversation
            try:
                conversation.protocol = ear.trace.protocol
                for side in Side:  # without what it may know of a write at which it failed
                    spans = [span for span in ear.trace.spans(side) if span.write < len(conversation.writes)]
                    conversation.spans[side] = spans
            except Exception as error:
                self._fail(ear, f"not kept: {in_words(error)}", at)
        ear.is_kept = False
        if not self._screen:
            ear.trace = None

    def _stop_annotating(self, ear: Ear, why: Exception | str, at: float) -> None:
        self._settle(ear, at)
        ear.trace = None
        self._fail(ear, f"not annotated from here on: {in_words(why)}", at)

    # --------------------------------------------------------------------------------------------------- the capture

    def _write(self, ear: Ear, packets: Iterable[bytes], at: float) -> None:
        """Packets into the capture. A disk that is full ends it, and nothing else."""
        if not self._capture:
            return
        try:
            self._capture.write(records(packets, at))
        except OSError as error:
            self._capture = None
            self._fail(ear, f"nothing more goes into the capture: {words(error)}", at)

    # ------------------------------------------------------------------------------------------------------ in words

    def _fail(self, ear: Ear, text: str, at: float) -> None:
        self.failures.append(text)
        self._tell(ear, text, at)

    def _tell(self, ear: Ear, text: str, at: float) -> None:
        if self._screen:
            self._screen.say(self._show.line(ear.conversation.number, at - self._zero, text))


def name_of(endpoint: Endpoint | None) -> str:
    """An endpoint as text, "" for one that has no name.

    >>> from minizmtp.endpoints import Ipc
    >>> name_of(Ipc("/run/app.sock")), name_of(Ipc("")), name_of(None)
    ('ipc:///run/app.sock', '', '')
    """
    return str(endpoint) if endpoint and any(endpoint) else ""


def in_words(error: Exception | str) -> str:
    """What went wrong.

    >>> in_words(ValueError("no such octet")), in_words("too much")
    ('ValueError: no such octet', 'too much')
    """
    return error if isinstance(error, str) else f"{type(error).__name__}: {error}"
