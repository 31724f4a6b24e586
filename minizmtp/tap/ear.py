"""The ear: what is heard of one connection, in the words of `trace`.

    octets ──► Trace ──► spans ──┬──► Show ──► Screen      as they become whole
                                 └──► Conversation         all at once, when enough is kept or the connection ends

An ear must not harm those to whom it listens, and what can go wrong here ends here. A trace that raises is left out
from then on, and that is said.

Its memory is bounded. Of each connection, both sides together, no more is kept than was asked for, and of all together
no more than ALL times that; what comes after is counted. What is counted is memory: a span of two octets costs hundreds
(COST), so a connection of tiny frames is kept for a shorter time than one of large ones. What is not whole is held
until it is, HELD octets for all connections together; then the one that holds the most is relayed from there on, and no
more annotated.

What is shown and kept has stars for passwords, cookies and the like (see `trace.spans.masked`), unless `secrets` asks
for them.

Below this module: `conversation`, `show`, `screen`, and `trace`.
Read next: `watch`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..trace import Keys, Side, Span, Trace, masked
from .conversation import Conversation, End, Write
from .screen import Screen
from .show import Show, octets

# How many octets may have come, over all connections, of what is not whole yet.
HELD = 64 << 20
# How much is kept of all connections together, as a multiple of what is kept of one.
ALL = 64
# What a span or a write costs beside its octets, and what a connection does. Measured with CPython 3.11: 317; 1,240
# when it is over, 4,350 before.
COST = 320
COST_OF_CONNECTION = 4096
# How many lines about what went wrong are kept.
MOST_FAILURES = 1000


class Wishes(NamedTuple):
    """What is to become of all that is heard.

    screen: where to show it. keep: how much of each connection to keep, in octets of memory. keys: to open what CURVE
    has closed. secrets: show and keep passwords and the like as they are.
    """

    screen: Screen | None = None
    show: Show = Show()
    keep: int = 0
    keys: Keys | None = None
    secrets: bool = False


class Shelf:
    """What the ears of one tap keep and hold together. room: octets of memory that may still be kept; below 0 until the
    ear that took too much has settled. held: by ear, the octets of what is not whole yet."""

    def __init__(self, wishes: Wishes) -> None:
        self.room = ALL * (wishes.keep + COST_OF_CONNECTION)
        self.held: dict[Ear, int] = {}
        self._all_held = 0

    def hold(self, ear: "Ear", size: int) -> "Ear | None":
        """Note how much this ear holds; the one that holds the most, if all together hold too much."""
        self._all_held += size - self.held.pop(ear, 0)
        if size:
            self.held[ear] = size
        return max(self.held, key=self.held.__getitem__) if self._all_held > HELD else None


class Ear:
    """One connection. zero: the time from which the screen counts. failures: where to add what went wrong. shelf: of
    all connections, if there are others."""

    def __init__(
        self, conversation: Conversation, wishes: Wishes, zero: float, failures: list[str], shelf: Shelf | None = None
    ) -> None:
        self.conversation = conversation
        self.left_behind = False  # too much has passed: what follows cannot be heard without what was missed
        self.said = dict.fromkeys(Side, 0)  # octets that have passed, also those that are not heard yet or no more
        self._wishes = wishes
        self._zero = zero
        self._failures = failures
        self._shelf = shelf or Shelf(wishes)
        self._trace = Trace(keys=wishes.keys) if wishes.screen or wishes.keep else None
        self._is_keeping = wishes.keep > 0
        self._cost = 0  # of what is kept so far
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
                self._keep(Write(side, self._heard[side] - len(octets), len(octets), at), spans)
            self._show(spans, at)
            self._recognise(at)
        except Exception as error:
            self.stop(f"{type(error).__name__}: {error}", at)
        if self._trace is not None and (largest := self._shelf.hold(self, sum(map(self._not_whole, Side)))) is not None:
            largest.give_up(at)

    def give_up(self, at: float) -> None:
        """Wait no longer for what is not whole."""
        side = max(Side, key=self._not_whole)
        self.stop(f"no end of what the {side.value} began to say", at)

    def _not_whole(self, side: Side) -> int:
        return self._heard[side] - self._named[side]

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
        self._end_trace()
        self.conversation.closed = at
        self.conversation.left_out = sum(self.said.values()) - kept(self.conversation)
        self.tell("closed; " + ", ".join(f"{side.value} {octets(self.said[side])}" for side in Side), at)

    def stop(self, why: str, at: float) -> None:
        """Hear no more of what passes."""
        if self._trace is not None:
            self._settle(at)
            self._end_trace()
            self.fail(f"not annotated from here on: {why}", at)

    def fail(self, text: str, at: float) -> None:
        """Something went wrong, and the connection went on."""
        if len(self._failures) < MOST_FAILURES:
            self._failures.append(f"[{self.conversation.number}] {text}")
        elif len(self._failures) == MOST_FAILURES:
            self._failures.append("more went wrong, which is not listed")
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
            self._end_trace()

    def _end_trace(self) -> None:
        self._trace = None
        self._shelf.hold(self, 0)

    def _keep(self, write: Write, spans: Sequence[Span]) -> None:
        self.conversation.writes.append(write)
        cost = COST + write.size + sum(map(cost_beside_octets, spans))
        self._cost += cost
        self._shelf.room -= cost
        if self._cost >= self._wishes.keep or self._shelf.room < 0:
            self._settle(write.at)

    def _settle(self, at: float) -> None:
        """What is kept of this connection is complete: take it out of the trace."""
        if not (self._is_keeping and self._trace):
            return
        self._is_keeping = False
        conversation = self.conversation
        try:
            conversation.protocol = self._trace.protocol
            # Without what the trace may know of a write at which it failed.
            known = [span for side in Side for span in self._trace.spans(side) if span.write < len(conversation.writes)]
            # One write may bring more than there is room for, so the last ones may be too many.
            room, cost = min(self._wishes.keep, self._cost + self._shelf.room), COST * len(conversation.writes)
            for span in sorted(known, key=lambda span: span.write):
                if cost >= room:
                    break
                cost += len(span.octets) + cost_beside_octets(span)
                conversation.spans[span.side].append(self._as_seen(span))
            self._shelf.room += self._cost - cost
        except Exception as error:
            self.fail(f"not kept: {type(error).__name__}: {error}", at)
        if not self._wishes.screen:
            self._end_trace()

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
            seen = [self._as_seen(span) for span in spans]
            screen.say(show.spans(self.conversation.number, side, seen, at - self._zero, self._writes[side]))

    def _as_seen(self, span: Span) -> Span:
        return span if self._wishes.secrets else masked(span)


def cost_beside_octets(span: Span) -> int:
    """What it costs in memory beside its octets; with all that is inside."""
    return COST + sum(len(inner.octets) + cost_beside_octets(inner) for inner in span.inside)


def kept(conversation: Conversation) -> int:
    """How many octets of it are in its spans."""
    return sum(len(span.octets) for side in Side for span in conversation.spans[side])
