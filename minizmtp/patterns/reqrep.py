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

Below this module: `pattern`. Read next: `options`.
"""

from collections.abc import Callable

from ..constants import SocketType
from ..errors import EFSM, ProtocolError, Violation, ZMQError
from ..wire.events import Message
from .pattern import Pattern, Received
from .pipe import Pipe
from .routing import FairQueue, RoundRobin

DELIMITER = b""


def split_envelope(message: Message) -> tuple[Message, Message] | None:
    """Envelope (with its delimiter) and body, or None where either is missing (28-11)."""
    # The delimiter is the first empty frame. It is there even when the body is empty too: without it, a REP behind
    # another hand would take the whole request for names, and have nothing to answer.
    if DELIMITER not in message[:-1]:
        return None
    end = message.index(DELIMITER) + 1
    return message[:end], message[end:]


class Req(Pattern):
    """Sends to its peers in turn, then receives from the one it asked, then sends …"""

    socket_type = SocketType.REQ

    def __init__(self, on_arrival: Callable[[], None], on_space: Callable[[], None]) -> None:
        super().__init__(on_arrival, on_space)
        self.incoming = FairQueue(on_arrival)
        self.outgoing = RoundRobin(on_space)
        self._awaiting = False
        self._asked: Pipe | None = None  # None while awaiting: the one we asked has gone, anybody may answer (28-7)

    def detach(self, pipe: Pipe) -> None:
        super().detach(pipe)
        if pipe is self._asked:
            self._asked = None

    def check_send(self) -> None:
        if self._awaiting:
            raise ZMQError(EFSM, "this REQ awaits a reply: recv() it before the next send()")

    def try_send(self, message: Message) -> bool:
        self.check_send()
        assert self.incoming is not None
        assert self.outgoing is not None
        while self.incoming.take() is not None:
            pass  # nobody was asked: these are replies to nothing (L-35)
        self._asked = self.outgoing.send([DELIMITER, *message])
        self._awaiting = self._asked is not None
        return self._awaiting

    def take(self) -> Received | None:
        if not self._awaiting:
            raise ZMQError(EFSM, "this REQ has asked nothing: send() a request before recv()")
        found = super().take()
        if found is not None:
            self._awaiting = False
        return found

    def _gather(self) -> Received | None:
        while (found := super()._gather()) is not None:
            pipe, message = found
            if self._asked is not None and pipe is not self._asked:
                continue  # not from whom we asked: silently dropped (28-8)
            if len(message) > 1 and message[0] == DELIMITER:
                return pipe, message[1:]
            if len(message) > 2 and len(message[0]) == 4 and message[1] == DELIMITER:
                continue  # the answer to a numbered request, and ours have no numbers (L-33)
            pipe.refuse(
                ProtocolError(
                    f"a reply of {len(message)} frames, the first of {len(message[0])} octets; required is an empty"
                    ' frame and then the reply (28/REQREP, "The REQ Socket Type")',
                    Violation.MALFORMED_MESSAGE,
                )
            )
        return None

    def can_send(self) -> bool:
        return not self._awaiting and super().can_send()

    def can_receive(self) -> bool:
        return self._awaiting and super().can_receive()


class Rep(Pattern):
    """Receives from its peers in turn, then sends to the one it heard, then receives …"""

    socket_type = SocketType.REP

    def __init__(self, on_arrival: Callable[[], None], on_space: Callable[[], None]) -> None:
        super().__init__(on_arrival, on_space)
        self.incoming = FairQueue(on_arrival)
        self._return_to: tuple[Pipe, Message] | None = None  # whom we owe a reply, and by which envelope

    def check_send(self) -> None:
        if self._return_to is None:
            raise ZMQError(EFSM, "this REP owes nobody a reply: recv() a request before send()")

    def try_send(self, message: Message) -> bool:
        """Always done: whoever does not wait for its answer, or reads none, does not hold up the others (28-19)."""
        self.check_send()
        assert self._return_to is not None
        (pipe, envelope), self._return_to = self._return_to, None
        if pipe in self.pipes and not pipe.outbound.full:
            pipe.outbound.put(envelope + message)
        return True

    def take(self) -> Received | None:
        if self._return_to is not None:
            raise ZMQError(EFSM, "this REP owes a reply: send() it before the next recv()")
        found = super().take()
        if found is None:
            return None
        pipe, message = found
        parts = split_envelope(message)
        assert parts is not None  # _gather has looked
        self._return_to = (pipe, parts[0])
        return pipe, parts[1]

    def _gather(self) -> Received | None:
        while (found := super()._gather()) is not None:
            if split_envelope(found[1]) is not None:
                return found  # anything else has no way back, and is silently dropped (28-11)
        return None

    def can_send(self) -> bool:
        return self._return_to is not None

    def can_receive(self) -> bool:
        return self._return_to is None and super().can_receive()
