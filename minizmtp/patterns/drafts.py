"""Draft types: one message is one frame.                                 37/ZMTP 3.1, "Thread-Safe Socket Types"

    classic          the problem                                              draft
    PUSH PULL        two tasks that send messages in parts mix the parts      SCATTER GATHER        `scattergather`
    PAIR             the same                                                 CHANNEL               `channel`
    DEALER ROUTER    the name of a peer is one of the frames of a message     CLIENT SERVER PEER    `clientserver`
    PUB SUB          a subscription to "eu" also brings "europe"              RADIO DISH            `radiodish`

A message of several frames is sent in several steps (SNDMORE), and between two of them another task may send. So a
classic socket of libzmq belongs to one thread. A draft type has no parts: each send and each receive is one step, and
any number of tasks may share the socket. What a classic type keeps in a frame of its own, such as the name of a peer,
is here an attribute of the frame: `frame.routing_id`, `frame.group` (see `sockets.drafts`).

They are called drafts because their RFCs may still change. libzmq has them only where it was built with its draft API,
and pyzmq's wheels are built without. A draft type talks to its own kind only: a SCATTER to a GATHER, never to a PULL.

To send several frames is an error (37-64). A message of several frames from a peer is dropped (37-65).

    >>> from .pipeline import Pull
    >>> from .queue import Queue
    >>> class Sink(Draft, Pull): pass
    >>> sink, peer = Sink(on_arrival=lambda: None, on_space=lambda: None), Pipe(Queue(), Queue())
    >>> sink.attach(peer)
    >>> peer.inbound.put_all([b"one", [b"two", b"three"], b"four"])
    >>> sink.take()[1], sink.take()[1], sink.take()
    ([b'one'], [b'four'], None)

Read next: `scattergather`.
"""

from collections.abc import Iterator
from typing import ClassVar, TypeVar

from ..errors import EINVAL, ZMQError
from ..wire.events import Item, Message
from .ahead import Received
from .pattern import Pattern
from .pipe import Pipe

T = TypeVar("T", bound=Item)


class Draft(Pattern):
    """A base class in front of a classic type. Only messages of the right number of frames are sent and received.

    frames: how many they have here; 2 where the first is a routing id or a group, which is no frame to the program.
    """

    frames: ClassVar[int] = 1
    delivers_unchanged = False

    def try_send(self, message: Message) -> bool:
        return super().try_send(self._checked(message))

    def send_many(self, items: Iterator[Item], most: int) -> tuple[int, Message | None]:
        return super().send_many(map(self._checked, items), most)

    def has_room_for(self, beginning: Message) -> bool:
        if self.frames == 1:  # the sockets of the others have refused SNDMORE already
            raise ZMQError(EINVAL, f"a message of a {self.socket_type.name} is one frame: send it without SNDMORE")
        return super().has_room_for(beginning)

    def _checked(self, item: T) -> T:
        if (len(item) if isinstance(item, list) else 1) != self.frames:
            wanted = "one frame" if self.frames == 1 else "a routing id or a group, and one frame"
            raise ZMQError(EINVAL, f"a message of a {self.socket_type.name} is {wanted}")
        return item

    def take(self) -> Received | None:
        while (found := super().take()) is not None and len(found[1]) != self.frames:
            pass  # it is dropped
        return found

    def _unwrap(self, pipe: Pipe, items: list[Item]) -> list[Message | None]:
        messages = super()._unwrap(pipe, items)
        return [each if each is not None and len(each) == self.frames else None for each in messages]
