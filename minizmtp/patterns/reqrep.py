r"""REQ and REP: a question, an answer, and the way back.                                             RFC 28/REQREP

    program      REQ                                         REP      program
    "hello"  ──► │ 01 00            delimiter, empty          │
                 │ 00 05 hello      body                    ──►  "hello"
                 │                                           │
    "world"  ◄── │ 01 00  00 05 world                        │  ◄── "world"

The REQ puts an empty frame in front of the request, the **delimiter**. Alone it says little. But a request may travel
through other hands, and each of them puts the name of whom it has it from in front:

    01 02 r2   01 02 r1   01 00   00 05 hello
    └── envelope: by way of r1, then r2 ──┘   body

The REP keeps all up to the delimiter, the **envelope**, and puts it in front of the reply: so each hand on the way
finds the next name in the first frame, and the reply finds home without anybody having kept a table.

    >>> split_envelope([b"r2", b"r1", b"", b"hello"])
    ([b'r2', b'r1', b''], [b'hello'])
    >>> split_envelope([b"hello"])                   # None: no delimiter, no way back
    >>> split_envelope([b"r1", b""])                 # None: and nothing asked

Both sides are strict. A REQ that has asked must hear the answer before it asks again, a REP that has heard must answer
before it hears the next; anything else is the error EFSM, "not in this state" (28-1, 28-10).

DEALER and ROUTER, the same two without these rules, are in `router`.

Below this module: `pattern`. Read next: `net.endpoints`.
"""

import random

from ..constants import SocketType
from ..errors import EFSM, ProtocolError, Violation, ZMQError
from ..wire.events import Message
from .pattern import Pattern, Received
from .queue import Pipe

DELIMITER = b""


def split_envelope(message: Message) -> tuple[Message, Message] | None:
    """Envelope (with its delimiter) and body, or None where either is missing (28-11)."""
    # The delimiter is the first empty frame. It is there even when the body is empty too: without it, a REP behind
    # another hand would take the whole request for names, and have nothing to answer.
    if DELIMITER not in message[:-1]:
        return None
    end = message.index(DELIMITER) + 1
    return message[:end], message[end:]


def counter() -> int:
    """Where to begin to count. At random, so that what a restarted program counts is not taken for what it counted
    before (L-25, L-32)."""
    return random.getrandbits(32)


class Req(Pattern):
    """Sends to its peers in turn, then receives from the one it asked, then sends …

    With req_relaxed it may ask again before it has heard, and then waits for the newer answer. With req_correlate each
    request carries a number, in a frame of its own before the delimiter, and only an answer with that number counts.
    """

    socket_type = SocketType.REQ
    sends_in_turn = True
    receives = True
    has_turns = True

    def _begin(self) -> None:
        self._awaiting = False
        self._asked: Pipe | None = None  # None while awaiting: the one we asked has gone, anybody may answer (28-7)
        self._number = counter()
        self._envelope = [DELIMITER]  # what the request had in front, and its answer will have

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        if pipe is self._asked:
            self._asked = None

    def check_send(self) -> None:
        if self._options.req_relaxed:
            return
        if self._awaiting:
            raise ZMQError(EFSM, "this REQ awaits a reply: recv() it before the next send(), or set req_relaxed")
        if self.rest:
            raise ZMQError(EFSM, "this REQ has read a part of its reply: recv() the rest before the next send()")

    def try_send(self, message: Message) -> bool:
        self.check_send()
        assert self.incoming is not None
        assert self.outgoing is not None
        envelope = [DELIMITER]
        number = (self._number + 1) % 2**32
        if self._options.req_correlate:
            envelope = [number.to_bytes(4, "little"), DELIMITER]
        asked = self.outgoing.send(envelope + message)
        if asked is None:
            return False
        self._number = number
        self._next = None
        self.rest.clear()  # with req_relaxed: the unread frames are of an answer to the request before
        while self.incoming.take() is not None:
            pass  # whatever has come so far answers nothing that we still want to know (L-35)
        self._asked, self._envelope, self._awaiting = asked, envelope, True
        return True

    def take(self) -> Received | None:
        if not self._awaiting:
            raise ZMQError(EFSM, "this REQ has asked nothing: send() a request before recv()")
        found, self._next = self._next or self._gather(), None
        if found is not None:
            self._awaiting = False
        return found

    def give_back(self, received: Received) -> None:
        super().give_back(received)
        self._awaiting = True

    inspects = True

    def inspect(self, message: Message) -> None:
        """A reply has an empty frame in front, or a number and an empty frame (28-2, L-33)."""
        numbered = len(message[0]) == 4 and message[1:2] == [DELIMITER]
        if len(message) < 2 + numbered or not (numbered or message[0] == DELIMITER):
            raise ProtocolError(
                f"a reply of {len(message)} frames, the first of {len(message[0])} octets; required is an empty frame"
                ' and then the reply (28/REQREP, "The REQ Socket Type")',
                Violation.MALFORMED_MESSAGE,
            )

    def _gather(self) -> Received | None:
        assert self.incoming is not None
        while (found := self.incoming.take()) is not None:
            pipe, message = found
            if self._asked is not None and pipe is not self._asked:
                continue  # not from whom we asked: silently dropped (28-8)
            if message[: len(self._envelope)] == self._envelope and len(message) > len(self._envelope):
                return pipe, message[len(self._envelope) :]
            # Else it answers another request than the last (L-32, L-33).
        return None

    def can_send(self) -> bool:
        may = bool(self._options.req_relaxed) or not (self._awaiting or self.rest)
        return may and super().can_send()

    def can_receive(self) -> bool:
        return self._awaiting and super().can_receive()


class Rep(Pattern):
    """Receives from its peers in turn, then sends to the one it heard, then receives …"""

    socket_type = SocketType.REP
    receives = True
    has_turns = True

    def _begin(self) -> None:
        self._return_to: tuple[Pipe, Message] | None = None  # whom we owe a reply, and by which envelope …
        self._way_back: tuple[Pipe, Message] | None = None  # … and for the request that was found last

    def check_send(self) -> None:
        if self._return_to is None:
            raise ZMQError(EFSM, "this REP owes nobody a reply: recv() a request before send()")
        if self.rest:
            raise ZMQError(EFSM, "this REP has read a part of the request: recv() the rest before send()")

    def has_room_for(self, beginning: Message) -> bool:
        self.check_send()
        return True

    def try_send(self, message: Message) -> bool:
        """Always done: whoever does not wait for its answer, or reads none, does not hold up the others (28-19)."""
        self.check_send()
        assert self._return_to is not None
        (pipe, envelope), self._return_to = self._return_to, None
        if not (pipe in self.pipes and pipe.outbound.offer(envelope + message)):
            pipe.outbound.count_dropped()
        return True

    def take(self) -> Received | None:
        if self._return_to is not None:
            raise ZMQError(EFSM, "this REP owes a reply: send() it before the next recv()")
        found, self._next = self._next or self._gather(), None
        if found is not None:
            self._return_to, self._way_back = self._way_back, None  # or it would keep the pipe of a peer that has gone
        return found

    def give_back(self, received: Received) -> None:
        super().give_back(received)
        self._way_back, self._return_to = self._return_to, None

    def _gather(self) -> Received | None:
        assert self.incoming is not None
        while (found := self.incoming.take()) is not None:
            pipe, message = found
            if (parts := split_envelope(message)) is not None:
                self._way_back = (pipe, parts[0])
                return pipe, parts[1]
            # Anything else has no way back, and is silently dropped (28-11).
        return None

    def can_send(self) -> bool:
        return self._return_to is not None and not self.rest

    def can_receive(self) -> bool:
        return self._return_to is None and super().can_receive()
