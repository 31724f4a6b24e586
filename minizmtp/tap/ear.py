"""The ear: what is heard of one connection, in the words of `trace`.

    octets ──► Trace ──► spans ──┬──► Show ──► Screen      as they become whole
                                 └──► Conversation         all at once, when enough is kept or the connection ends

An ear must not harm those to whom it listens, and what can go wrong here ends here. A trace that raises is left out
from then on, and that is said.

Nor may it grow. Of each connection, both sides together, no more is kept than was asked for; what comes after that is
counted. What is not whole after HELD octets is not waited for any longer: from there on the connection is relayed, and
no more annotated.

Below this module: `conversation`, `show`, `screen`, and `trace`.
Read next: `watch`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..trace import Keys, Side, Span, Trace
from .conversation import Conversation, End, Write
from .screen import Screen
from .show import Show, octets

# How many octets may have come of one thing before all of it is there.
HELD = 64 << 20


class Wishes(NamedTuple):
    """What is to become of all that is heard.

    screen: where to show it. keep: how many octets of each connection to keep. keys: to open what CURVE has closed.
    """

    screen: Screen | None = None
    show: Show = Show()
    keep: int = 0
    keys: Keys | None = None


class Ear:
    """One connection. zero: the time from which the screen counts. failures: where to add what went wrong."""

    def __init__(self, conversation: Conversation, wishes: Wishes, zero: float, failures: list[str]) -> None:
        self.conversation = conversation
        self.left_behind = False  # too much has passed: what follows cannot be heard without what was missed
        self.said = dict.fromkeys(Side, 0)  # octets that have passed, also those that are not heard yet or no more
        self._wishes = wishes
        self._zero = zero
        self._failures = failures
        self._trace = Trace(keys=wishes.keys) if wishes.screen or wishes.keep else None
        self._is_keeping = wishes.keep > 0
        self._is_foreign = False
        self._heard = dict.fromkeys(Side, 0)  # octets
        self._named = dict.fromkeys(Side, 0)  # of these, in spans that are whole
        self._writes = dict.fromkeys(Side, 0)  # since the last such span
        self.tell(f"{conversation.client or 'a client'} → {conversation.server or 'nobody'}", conversation.opened)

    @property
    def listens(self) -> bool:
        """Is there any use in telling it more?"""
        return self._trace is not None and not self.left_behind

    def hear(self, side: Side, octets: bytes, at: float) -> None:
        """What passed in one go. A mistake in a trace, of whatever kind, must not end the connection: hence
        Exception."""
        if self._trace is None:
            return
        self._heard[side] += len(octets)
        self._writes[side] += 1
        try:
            spans = self._trace.feed(side, octets, at)
            if self._is_keeping:
                self._keep(Write(side, self._heard[side] - len(octets), len(octets), at), self._trace)
            self._show(spans, at)
            self._recognise(at)
        except Exception as error:
            self.stop(f"{type(error).__name__}: {error}", at)
        if self._heard[side] - self._named[side] > HELD:
            self.stop(f"no end of what the {side.value} began to say", at)

    def end(self, side: Side, why: str, at: float) -> None:
        """This side says no more."""
        self.conversation.ends.append(End(side, why, at))
        if self._trace is not None:
            try:
                self._show(self._trace.end(side, at), at)
            except Exception as error:
                self.stop(f"{type(error).__name__}: {error}", at)
        self.tell(f"{side.value} {f'died: {why}' if why else 'says no more'}", at)

    def close(self, at: float) -> None:
        """The connection is over."""
        self._settle(at)
        self.conversation.closed = at
        self.conversation.left_out = sum(self.said.values()) - kept(self.conversation)
        self.tell("closed; " + ", ".join(f"{side.value} {octets(self.said[side])}" for side in Side), at)

    def stop(self, why: str, at: float) -> None:
        """Hear no more of what passes."""
        if self._trace is not None:
            self._settle(at)
            self._trace = None
            self.fail(f"not annotated from here on: {why}", at)

    def fail(self, text: str, at: float) -> None:
        """Something went wrong, and the connection went on."""
        self._failures.append(f"[{self.conversation.number}] {text}")
        self.tell(text, at)

    def tell(self, text: str, at: float) -> None:
        """A line on the screen."""
        if self._wishes.screen:
            self._wishes.screen.say(self._wishes.show.line(self.conversation.number, at - self._zero, text))

    def _recognise(self, at: float) -> None:
        """There is nothing to wait for where neither protocol is spoken."""
        if self._trace and self._trace.protocol == "unknown" and not self._is_foreign:
            self._is_foreign = True
            self.tell("neither ZMTP nor HTTP: passed on, and not explained", at)
        if self._is_foreign and not self._is_keeping:
            self._trace = None

    def _keep(self, write: Write, trace: Trace) -> None:
        self.conversation.writes.append(write)
        if sum(self._heard.values()) >= self._wishes.keep:
            self._settle(write.at)

    def _settle(self, at: float) -> None:
        """What is kept of this connection is complete: take it out of the trace."""
        if not (self._is_keeping and self._trace):
            return
        self._is_keeping = False
        conversation = self.conversation
        try:
            conversation.protocol = self._trace.protocol
            for side in Side:  # without what the trace may know of a write at which it failed
                spans = [span for span in self._trace.spans(side) if span.write < len(conversation.writes)]
                conversation.spans[side] = spans
        except Exception as error:
            self.fail(f"not kept: {type(error).__name__}: {error}", at)
        if not self._wishes.screen:
            self._trace = None

    def _show(self, spans: Sequence[Span], at: float) -> None:
        """What has become whole: of one side, as a rule; but an answer may tell what the question was."""
        if self._trace is not None and not self._is_keeping:
            self._trace.forget()
        for side in Side:
            if theirs := [span for span in spans if span.side is side]:
                size = sum([len(span.octets) for span in theirs])
                self._named[side] += size
                self._show_side(side, theirs, size, at)
                self._writes[side] = 0

    def _show_side(self, side: Side, spans: Sequence[Span], size: int, at: float) -> None:
        screen, show = self._wishes.screen, self._wishes.show
        if screen and screen.is_full:
            screen.skip(size)
        elif screen:
            screen.say(show.spans(self.conversation.number, side, spans, at - self._zero, self._writes[side]))


def kept(conversation: Conversation) -> int:
    """How many octets of it are in its spans."""
    return sum(len(span.octets) for side in Side for span in conversation.spans[side])
