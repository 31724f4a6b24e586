"""Sockets of draft types: a message is one frame, which may carry an address.          libzmq's zmq_msg_routing_id(3)

    frame = await server.recv()                                 bytes, and frame.routing_id: which CLIENT sent it
    await server.send(b"ok", routing_id=frame.routing_id)       to that CLIENT

    dish.join("eu")
    await radio.send(b"rain", group="eu")                       to each DISH that has joined the group
    frame = await dish.recv()                                   bytes, and frame.group

The names are those of pyzmq. There, a plain `recv()` loses the address, and `recv(copy=False)` returns a Frame with it.
Here it always comes with the frame, because a Frame is bytes with attributes. So `recv_multipart`, `recv_many` and
`async for` give it, too. A Frame that is sent without an address goes to the one that it has:
`await server.send(frame)` echoes, and `radio.send_many(Frame(text, group="eu") for text in news)` sends a batch.

    >>> frame = Frame(b"rain", group="eu")
    >>> frame == b"rain", frame.group, frame.routing_id
    (True, 'eu', 0)

A pattern sees a message with an address as two frames, as they are on the wire between RADIO and DISH (see
`patterns.drafts`). So a `proxy` can forward it from a DISH to a RADIO. CLIENT, SCATTER, GATHER and CHANNEL have no
address, and so they are plain Sockets.

Read next: `zap`, then `context`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..constants import SNDMORE, SocketType
from ..errors import EINVAL, ENOTSUP, ZMQError
from ..patterns.clientserver import LARGEST_ID, Peer
from ..patterns.radiodish import Dish, check_group
from ..wire.events import Item
from .sender import frame_of
from .socket import Message, Socket

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Addressed = Literal[SocketType.SERVER, SocketType.PEER, SocketType.RADIO, SocketType.DISH]
NUMBERED = (SocketType.SERVER, SocketType.PEER)
GROUPED = (SocketType.RADIO, SocketType.DISH)
ID_OCTETS = 5  # of a routing id as the pattern has it


def kind_of_socket(kind: SocketType) -> type[Socket]:
    """The class for sockets of this type."""
    return AddressedSocket if kind in NUMBERED + GROUPED else Socket


class Frame(bytes):
    """A message of a SERVER, PEER, RADIO or DISH: bytes, with the number of the peer or the group."""

    routing_id: int
    group: str

    def __new__(cls, data: ReadableBuffer = b"", routing_id: int = 0, group: str = "") -> Frame:
        """data: bytes or bytes-like."""
        frame = super().__new__(cls, frame_of(data))
        frame.routing_id, frame.group = routing_id, group
        return frame


class AddressedSocket(Socket):
    """A SERVER, PEER, RADIO or DISH. routing_id or group says where a message goes; it may be left out for a Frame that
    has one."""

    __slots__ = ()

    async def send(
        self,
        data: ReadableBuffer,
        flags: int = 0,
        copy: bool = True,
        track: bool = False,
        routing_id: int | None = None,
        group: str | bytes | None = None,
    ) -> None:
        """Send one frame: to the peer of that routing id (SERVER, PEER), or to all that joined the group (RADIO).
        Without a group it goes to the group "".

        A SERVER and a PEER wait while that peer's queue is full. Raises ZMQError: EHOSTUNREACH for a routing id that no
        peer has, EINVAL for SNDMORE and for an address that is wrong or is for another type of socket.
        """
        if flags & SNDMORE:
            raise ZMQError(EINVAL, f"a message of a {self.socket_type.name} is one frame: send it without SNDMORE")
        await Socket.send_multipart(self, [self._address(data, routing_id, group), data], flags, copy, track)

    async def send_multipart(
        self, parts: Iterable[ReadableBuffer], flags: int = 0, copy: bool = True, track: bool = False, **address: Any
    ) -> None:
        """send() the only frame in parts. address: as for send()."""
        await self.send(self._only(list(parts)), flags, copy, track, **address)

    async def send_many(self, messages: Iterable[ReadableBuffer | Sequence[ReadableBuffer]], flags: int = 0) -> int:
        """As Socket.send_many. Each of messages is a Frame with its address."""
        return await self._sender.send_many(messages, flags, self._items_of)

    def _items_of(self, messages: Iterator[Any]) -> Generator[Item, None, None]:
        for message in messages:
            data = self._only(message) if isinstance(message, (list, tuple)) else message
            yield [self._address(data, None, None), frame_of(data)]

    def _only(self, parts: Sequence[ReadableBuffer]) -> ReadableBuffer:
        if len(parts) != 1:
            raise ZMQError(EINVAL, f"{len(parts)} frames: a message of a {self.socket_type.name} is one frame")
        return parts[0]

    def _address(self, data: ReadableBuffer, routing_id: int | None, group: str | bytes | None) -> bytes:
        """The first frame of the message as the pattern has it. What is not given is that of data, if it is a Frame."""
        name = self.socket_type.name
        if self.socket_type in NUMBERED:
            if group is not None:
                raise ZMQError(EINVAL, f"{group=}: a {name} sends to the routing_id of a peer, and has no groups")
            number = getattr(data, "routing_id", 0) if routing_id is None else routing_id
            if not isinstance(number, int):
                raise TypeError(f"routing_id={number!r}: expected an int, that of a frame which the peer has sent")
            if not 0 <= number <= LARGEST_ID:
                raise ZMQError(EINVAL, f"routing_id={number}: expected 1 to {LARGEST_ID}, as in a frame of that peer")
            return number.to_bytes(ID_OCTETS, "big")
        if routing_id is not None:
            raise ZMQError(EINVAL, f"{routing_id=}: a {name} sends to a group, and its peers have no numbers")
        octets = group_octets(getattr(data, "group", "") if group is None else group)
        check_group(octets)
        return octets

    # ------------------------------------------------------------------------------------------------------- receiving

    async def recv(self, flags: int = 0, copy: bool = True) -> Frame:
        """The next message, with its routing_id or group. Otherwise as Socket.recv."""
        return self._frame(await Socket.recv_multipart(self, flags))

    async def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[bytes]:
        """The next message, as a list of one Frame."""
        return [await self.recv(flags)]

    async def recv_message(self, flags: int = 0) -> Message:
        message = await super().recv_message(flags)
        return message._replace(frames=[self._frame(message.frames)])

    async def recv_many(self, max_messages: int | None = None, flags: int = 0) -> list[list[bytes]]:
        return [[self._frame(frames)] for frames in await super().recv_many(max_messages, flags)]

    def _frame(self, frames: list[bytes]) -> Frame:
        address, data = frames
        if self.socket_type in GROUPED:
            return Frame(data, group=address.decode("utf-8", "surrogateescape"))
        return Frame(data, int.from_bytes(address, "big"))

    # ------------------------------------------------------------------------------------------- DISH: groups; PEER

    def join(self, group: str | bytes) -> None:
        """DISH: ask for the messages of a group, of every RADIO, now and later. ZMQError(EINVAL) if it is joined
        already, or is no group."""
        self._dish().join(group_octets(group))

    def leave(self, group: str | bytes) -> None:
        """DISH: take join(group) back. ZMQError(EINVAL) if it is not joined."""
        self._dish().leave(group_octets(group))

    def _dish(self) -> Dish:
        self._links.check_open()
        if not isinstance(self._pattern, Dish):
            raise ZMQError(ENOTSUP, f"a {self.socket_type.name} socket joins no groups: that is for DISH")
        return self._pattern

    def connect_peer(self, endpoint: str) -> int:
        """PEER: connect, and return the routing id of the peer, to which messages may be sent at once. ZMQError as from
        connect(), and EINVAL with the option `immediate`, because then there is no peer before the connection."""
        if not isinstance(self._pattern, Peer):
            raise ZMQError(ENOTSUP, f"connect_peer() is for PEER; this is a {self.socket_type.name} socket")
        if self.immediate:
            raise ZMQError(EINVAL, "connect_peer() needs immediate=0, because messages are queued for the peer at once")
        self.connect(endpoint)
        return int.from_bytes(self._pattern.newest(), "big")


def group_octets(group: str | bytes) -> bytes:
    """A group as it is on the wire. If octets that are not UTF-8 became a str, these are the same octets again."""
    try:
        return group.encode("utf-8", "surrogateescape") if isinstance(group, str) else memoryview(group).tobytes()
    except UnicodeEncodeError:
        raise ZMQError(EINVAL, f"group {group!r}: expected text that UTF-8 can encode, or bytes") from None
    except TypeError:
        raise TypeError(f"group {group!r}: expected a str or bytes") from None
