r"""REQ and REP: a question, an answer, and the way back.                                             RFC 28/REQREP

    program      REQ                                         REP      program
    "hello"  ──► │ 01 00            delimiter, empty          │
                 │ 00 05 hello      body                    ──►  "hello"
                 │                                           │
    "world"  ◄── │ 01 00  00 05 world                        │  ◄── "world"

A REQ puts an empty frame in front of the request, the **delimiter**. It says where the body begins, because a request
may pass through brokers on its way, and each of them puts in front the name of the peer that sent it the request. The
first broker's frame is nearest to the delimiter:

    01 02 r2   01 02 r1   01 00   00 05 hello
    └── envelope: back to r2, then to r1 ─┘   body

A REP keeps everything up to the delimiter, the **envelope**, and puts it in front of the reply. Each broker on the way
back takes off the first frame, which names the next peer, so that none of them has to remember the request. The REQ
takes off the delimiter.

    >>> split_envelope([b"r2", b"r1", b"", b"hello"])
    ([b'r2', b'r1', b''], [b'hello'])
    >>> split_envelope([b"hello"])                   # None: no delimiter, so there is no way back
    >>> split_envelope([b"r1", b""])                 # None: no body

Both sides work in lockstep: a REQ receives the reply before it sends again, and a REP replies before it receives again.
Anything else is the error EFSM, "not in this state" (28-1, 28-10). DEALER and ROUTER have no such rule (see `router`).

Try it: in `split_envelope`, write `message` for `message[:-1]`. A REP takes an envelope without a body for a request.
Read next: `router`.
"""

import random

from ..constants import SocketType
from ..errors import EFSM, ProtocolError, Violation, ZMQError
from ..wire.events import Message
from .ahead import Received
from .pattern import Pattern
from .pipe import Pipe

DELIMITER = b""


def split_envelope(message: Message) -> tuple[Message, Message] | None:
    """Envelope (with its delimiter) and body, or None where either is missing (28-11)."""
    # The delimiter is the first empty frame that is not the last: a body of one empty frame is no delimiter.
    if DELIMITER not in message[:-1]:
        return None
    end = message.index(DELIMITER) + 1
    return message[:end], message[end:]


def first_number() -> int:
    """Where to begin to count: at random, because a restarted program must not repeat its numbers (L-25, L-32)."""
    return random.getrandbits(32)


class Req(Pattern):
    """Sends to its peers in turn, then receives from the one it asked, then sends …

    With req_relaxed it may ask again before it has the reply, and then waits for the reply to the newer request. With
    req_correlate each request carries a number, in a frame before the delimiter, and only a reply with it counts.
    """

    socket_type = SocketType.REQ
    has_round_robin = has_fair_queue = is_lockstep = inspects = True

    def _begin(self) -> None:
        self._awaiting = False
        self._asked: Pipe | None = None  # None while awaiting: it has gone, and any peer may answer (28-7)
        self._number = first_number()
        self._envelope = [DELIMITER]  # of the request, and of its reply

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
        number = (self._number + 1) % 2**32
        envelope = [number.to_bytes(4, "little"), DELIMITER] if self._options.req_correlate else [DELIMITER]
        asked = self.outgoing.send(envelope + message)
        if asked is None:
            return False
        self.rest.clear()  # with req_relaxed: the unread frames are of the reply to an earlier request
        while self.incoming.take() is not None:
            pass  # and so is all that has come so far (L-35)
        self._number, self._asked, self._envelope, self._awaiting = number, asked, envelope, True
        return True

    def inspect(self, message: Message) -> None:
        """A reply has an empty frame in front, or a number and an empty frame (28-2, L-33)."""
        numbered = len(message[0]) == 4 and message[1:2] == [DELIMITER]
        if len(message) < 2 + numbered or not (numbered or message[0] == DELIMITER):
            raise ProtocolError(
                f"a reply of {len(message)} frames, the first of {len(message[0])} octets; expected an empty frame"
                ' and then the reply (28/REQREP, "The REQ Socket Type")',
                Violation.MALFORMED_MESSAGE,
            )

    def take(self) -> Received | None:
        if not self._awaiting:
            raise ZMQError(EFSM, "this REQ has asked nothing: send() a request before recv()")
        for pipe, message in iter(self.incoming.take, None):
            if self._asked is not None and pipe is not self._asked:
                continue  # only the peer that was asked may answer; others are silently dropped (28-8)
            envelope, body = message[: len(self._envelope)], message[len(self._envelope) :]
            if envelope == self._envelope and body:
                self._awaiting = False
                return pipe, body
            # Else it answers an earlier request (L-32, L-33).
        return None

    def give_back(self, received: Received) -> None:
        super().give_back((received[0], self._envelope + received[1]))
        self._awaiting = True


class Rep(Pattern):
    """Receives from its peers in turn, then sends to the one whose request it has, then receives …"""

    socket_type = SocketType.REP
    has_fair_queue = is_lockstep = never_waits = True
    _return_to: tuple[Pipe, Message] | None = None  # the peer that awaits a reply, and its envelope

    def check_send(self) -> None:
        if self._return_to is None:
            raise ZMQError(EFSM, "this REP has no request to reply to: recv() a request before send()")
        if self.rest:
            raise ZMQError(EFSM, "this REP has read a part of the request: recv() the rest before send()")

    def close(self) -> None:
        super().close()
        self._return_to = None

    def try_send(self, message: Message) -> bool:
        """Always done, because a peer that has gone, or reads nothing, must not hold up the others (28-19)."""
        self.check_send()
        assert self._return_to is not None
        (pipe, envelope), self._return_to = self._return_to, None
        # A pipe that is kept from connection to connection is here also while its peer is away: then the reply waits.
        if not (pipe in self.pipes and pipe.outbound.offer(envelope + message)):
            pipe.outbound.count_dropped()
        return True

    def take(self) -> Received | None:
        if self._return_to is not None:
            raise ZMQError(EFSM, "this REP has not replied: send() the reply before the next recv()")
        for pipe, message in iter(self.incoming.take, None):
            if (parts := split_envelope(message)) is not None:
                self._return_to = (pipe, parts[0])
                return pipe, parts[1]
            # A request without an envelope has no way back, so it is silently dropped (28-11).
        return None

    def give_back(self, received: Received) -> None:
        assert self._return_to is not None
        (pipe, envelope), self._return_to = self._return_to, None
        super().give_back((pipe, envelope + received[1]))
