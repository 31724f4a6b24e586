"""The ear: annotates one connection, with `trace`.

    octets ──► Trace ──► spans ──┬──► Show ──► Screen      as they become whole
                                 └──► Conversation         all at once, when enough is kept or the connection ends

An ear must not disturb the connection that it listens to, so its errors end here. If the trace raises, the connection
is no longer annotated, and a message says so.

Memory is bounded. The ear keeps at most `keep` octets of memory for each connection (both sides together), and at most
ALL times that for all connections; later octets are only counted. The limit counts memory, and a span of two octets
takes hundreds (COST), so fewer octets are kept of a connection with tiny frames. Incomplete spans are held until they
are complete, up to HELD octets for all connections; beyond that, the connection that holds the most is relayed from
then on without annotations.

Passwords, cookies and the like are masked with stars when they are shown or kept (see `trace.spans.masked`), unless
`secrets` is set.

Below this module: `conversation`, `show`, `screen`, and `trace`.
Read next: `watch`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..trace import Keys, Side, Span, Trace, masked
from .conversation import Conversation, End, Write
from .screen import Screen
from .show import Show, octets

# The most octets of incomplete spans that are held, over all connections.
HELD = 64 << 20
# The memory for all connections together, as a multiple of the memory for one.
ALL = 64
# Octets of memory that a span or a write takes in addition to its octets, and those that a connection takes. Measured
# with CPython 3.11: 317 for a span; 4,350 for an open connection, 1,240 for a closed one.
COST = 320
COST_OF_CONNECTION = 4096
# The most error lines that are kept.
MOST_FAILURES = 1000


class Wishes(NamedTuple):
    """The options for annotating.

    screen: where to show the spans. keep: octets of memory to keep of each connection. keys: keys that open CURVE's
    boxes. secrets: show and keep passwords and the like unmasked.
    """

    screen: Screen | None = None
    show: Show = Show()
    keep: int = 0
    keys: Keys | None = None
    secrets: bool = False


class Shelf:
    """The memory that all ears of a tap share. room: octets of memory that may still be kept; below 0 until the ear
    that took too much has settled. held: for each ear, the octets of its incomplete spans."""

    def __init__(self, wishes: Wishes) -> None:
        self.room = ALL * (wishes.keep + COST_OF_CONNECTION)
        self.held: dict[Ear, int] = {}
        self._all_held = 0

    def hold(self, ear: "Ear", size: int) -> "Ear | None":
        """Note how much this ear holds. Returns the ear that holds the most if all together hold too much."""
        self._all_held += size - self.held.pop(ear, 0)
        if size:
            self.held[ear] = size
        return max(self.held, key=self.held.__getitem__) if self._all_held > HELD else None


class Ear:
    """One connection. zero: the time that the screen shows as 0. failures: the list to which errors are added. shelf:
    shared with other connections, if there are any."""

    def __init__(
        self, conversation: Conversation, wishes: Wishes, zero: float, failures: list[str], shelf: Shelf | None = None
    ) -> None:
        self.conversation = conversation
        self.left_behind = False  # octets were skipped, so the rest cannot be decoded
        self.said = dict.fromkeys(Side, 0)  # octets that have passed, annotated or not
        self._wishes = wishes
        self._zero = zero
        self._failures = failures
        self._shelf = shelf or Shelf(wishes)
        self._trace = Trace(keys=wishes.keys) if wishes.screen or wishes.keep else None
        self._is_keeping = wishes.keep > 0
        self._cost = 0  # memory of what is kept so far
        self._is_foreign = False
        self._heard = dict.fromkeys(Side, 0)  # octets that the trace was given
        self._named = dict.fromkeys(Side, 0)  # octets of these that are in complete spans
        self._writes = dict.fromkeys(Side, 0)  # writes since the last complete span
        if conversation.server:
            self.tell(f"{conversation.client or 'a client'} → {conversation.server}", conversation.opened)

    @property
    def listens(self) -> bool:
        """Whether the ear still needs octets."""
        return self._trace is not None and not self.left_behind

    def hear(self, side: Side, octets: bytes, at: float) -> None:
        """Annotate one write. Catches every Exception, because a bug in the trace must not end the connection."""
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
        """Give up on this side's incomplete span."""
        side = max(Side, key=self._not_whole)
        self.stop(f"the {side.value}'s incomplete data takes too much memory", at)

    def _not_whole(self, side: Side) -> int:
        return self._heard[side] - self._named[side]

    def end(self, side: Side, why: str, at: float) -> None:
        """This side's stream has ended."""
        self.conversation.ends.append(End(side, why, at))
        if self._trace is not None:
            try:
                self._show(self._trace.end(side, at), at)
            except Exception as error:
                self.stop(f"{type(error).__name__}: {error}", at)
        if self.conversation.server:
            self.tell(f"{side.value} {f'failed: {why}' if why else 'ended its stream'}", at)
        else:
            self.tell(f"{self.conversation.client or 'a client'} → no server: {why}; further attempts are counted", at)

    def close(self, at: float) -> None:
        """The connection is over."""
        self._settle(at)
        self._end_trace()
        self.conversation.closed = at
        self.conversation.left_out = sum(self.said.values()) - kept(self.conversation)
        if self.conversation.server:
            self.tell("closed; " + ", ".join(f"{side.value} {octets(self.said[side])}" for side in Side), at)

    def stop(self, why: str, at: float) -> None:
        """Stop annotating this connection."""
        if self._trace is not None:
            self._settle(at)
            self._end_trace()
            self.fail(f"not annotated from here on: {why}", at)

    def fail(self, text: str, at: float) -> None:
        """Report an error that doesn't end the connection."""
        if len(self._failures) < MOST_FAILURES:
            self._failures.append(f"[{self.conversation.number}] {text}")
        elif len(self._failures) == MOST_FAILURES:
            self._failures.append("further errors are not listed")
        self.tell(text, at)

    def tell(self, text: str, at: float) -> None:
        """Show a line on the screen."""
        if self._wishes.screen:
            self._wishes.screen.say(self._wishes.show.line(self.conversation.number, at - self._zero, text))

    def _recognise(self, at: float) -> None:
        """Stop if the connection speaks neither protocol, because then no span will ever be complete."""
        if self._trace and self._trace.protocol == "unknown" and not self._is_foreign:
            self._is_foreign = True
            self.tell("neither ZMTP nor HTTP: relayed without annotations", at)
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
        """Move the spans to keep from the trace to the conversation; nothing more is kept afterwards."""
        if not (self._is_keeping and self._trace):
            return
        self._is_keeping = False
        conversation = self.conversation
        try:
            conversation.protocol = self._trace.protocol
            # Leave out spans of a write at which the trace failed.
            known = [span for side in Side for span in self._trace.spans(side) if span.write < len(conversation.writes)]
            # Stop at the limit, because one write may bring more spans than there is room for.
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
        """Show complete spans. They usually belong to one side, but a response may complete spans of a request."""
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
    """The memory that a span takes in addition to its octets, with all spans inside it."""
    return COST + sum(len(inner.octets) + cost_beside_octets(inner) for inner in span.inside)


def kept(conversation: Conversation) -> int:
    """The number of octets that the spans contain."""
    return sum(len(span.octets) for side in Side for span in conversation.spans[side])
