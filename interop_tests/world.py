"""The world of a scenario: two sides, their sockets, and the endpoints at which the sockets meet.

    World ── server: Side ── Peer, Peer, …      Side   one kind, `ours` or `libzmq`; it can crash and come
    again
          └─ client: Side ── Peer, Peer, …      Peer   one socket

A scenario uses `World`, `Side` and `Peer` only. The two kinds are in `ours` and `libzmq`.

Every wait in a Peer is bounded by `PATIENCE`, so a scenario that hangs fails at the line that waits. No test depends
on how long something takes when it works.
"""

import abc
import contextlib
import errno
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pytest
import trio

PATIENCE = 10.0
"""Seconds that any one wait may take. Two noisy cores and 64 MiB need about one."""

SIZES = [0, 1, 255, 256, 65_535, 2**20]
"""Frame sizes at the borders: nothing; the least; the last that fits a short frame (37-24), the first that
does not (37-12); one below 2^16, where a two-octet length would end; and a frame that takes many reads."""

EFSM = 156384763
"""libzmq's own number for "not in this state"."""

ENOTSUP = errno.ENOTSUP


class Refused(Exception):
    """A socket refused a call: EFSM, ENOTSUP, EAGAIN and others, with the same number from both kinds."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(f"{errno.errorcode.get(number, number)}: {words}")
        self.errno = number


@dataclass(frozen=True)
class Event:
    """One event of a socket's monitor, by libzmq's name for it."""

    name: str
    endpoint: str = ""
    value: int = 0
    reason: str = ""  # why, in words: only ours has any


class EventLog:
    """What a socket's monitor has seen. Tests wait for events instead of sleeping."""

    def __init__(self) -> None:
        self.seen: list[Event] = []  # all of them, for the message of a test that fails
        self._untaken: list[Event] = []
        self._arrival = trio.lowlevel.ParkingLot()

    def add(self, event: Event) -> None:
        self.seen.append(event)
        self._untaken.append(event)
        self._arrival.unpark_all()

    async def take(self, name: str) -> Event:
        """The first event of this name that has not been taken yet: taking two DISCONNECTED means that it
        happened twice."""
        while True:
            for event in self._untaken:
                if event.name == name:
                    self._untaken.remove(event)
                    return event
            await self._arrival.park()

    async def reach(self, number: int) -> None:
        """There have been so many, of whatever name."""
        while len(self.seen) < number:
            await self._arrival.park()

    def count(self, name: str) -> int:
        return sum(event.name == name for event in self.seen)


class Peer(abc.ABC):
    """One ZeroMQ socket, ours or libzmq's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events = EventLog()
        self.last_endpoint = ""
        self.patience = PATIENCE

    @contextlib.contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        with trio.move_on_after(self.patience) as scope:
            yield
        if scope.cancelled_caught:
            names = ", ".join(event.name for event in self.events.seen)
            raise AssertionError(f"{self.name}: {what} has not happened in {self.patience} s; its events: {names}")

    # --- for scenarios -----------------------------------------------------------------------------

    async def bind(self, endpoint: str) -> str:
        """The endpoint in the form that others can connect to."""
        with self.bounded(f"bind {endpoint}"):
            self.last_endpoint = await self._bind(endpoint)
        return self.last_endpoint

    async def connect(self, endpoint: str) -> None:
        with self.bounded(f"connect {endpoint}"):
            await self._command("connect", endpoint)

    async def unbind(self, endpoint: str) -> None:
        with self.bounded(f"unbind {endpoint}"):
            await self._command("unbind", endpoint)

    async def disconnect(self, endpoint: str) -> None:
        with self.bounded(f"disconnect {endpoint}"):
            await self._command("disconnect", endpoint)

    async def subscribe(self, *topics: bytes) -> None:
        for topic in topics:
            with self.bounded(f"subscribe {topic!r}"):
                await self._command("subscribe", topic)

    async def unsubscribe(self, *topics: bytes) -> None:
        for topic in topics:
            with self.bounded(f"unsubscribe {topic!r}"):
                await self._command("unsubscribe", topic)

    async def set_option(self, option: str, value: int | bytes) -> None:
        """By libzmq's name in lower case, as for a new socket."""
        with self.bounded(f"set {option}"):
            await self._set(option, value)

    async def send_multipart(self, frames: Sequence[bytes]) -> None:
        with self.bounded(f"send of {shown(frames)}"):
            await self._send(list(frames), wait=True)

    async def recv_multipart(self) -> list[bytes]:
        with self.bounded("recv"):
            return await self._receive(wait=True)

    async def send(self, data: bytes) -> None:
        await self.send_multipart([data])

    async def recv(self) -> bytes:
        """A message of one frame."""
        frames = await self.recv_multipart()
        assert len(frames) == 1, f"{self.name} received {shown(frames)}: one frame was expected"
        return frames[0]

    async def send_many(self, messages: Sequence[list[bytes]]) -> None:
        """Ours: with one call. libzmq's: one by one, because it has no such call."""
        for message in messages:
            await self.send_multipart(message)

    async def recv_many(self, count: int) -> list[list[bytes]]:
        """The next count messages, as send_many does it."""
        return [await self.recv_multipart() for _ in range(count)]

    async def try_send(self, *frames: bytes) -> bool:
        """Send if that needs no waiting. False where it would block (EAGAIN)."""
        try:
            with self.bounded("send without waiting"):
                await self._send(list(frames), wait=False)
        except Refused as refusal:
            if refusal.errno == errno.EAGAIN:
                return False
            raise
        return True

    async def try_recv(self) -> list[bytes] | None:
        """A message that is there already, or None (EAGAIN)."""
        try:
            with self.bounded("recv without waiting"):
                return await self._receive(wait=False)
        except Refused as refusal:
            if refusal.errno == errno.EAGAIN:
                return None
            raise

    async def wait_event(self, name: str, times: int = 1) -> Event:
        for _ in range(times):
            with self.bounded(f"event {name}"):
                event = await self.events.take(name)
        return event

    async def has_told(self, events: int) -> None:
        with self.bounded(f"{events} events"):
            await self.events.reach(events)

    async def close(self, linger: int | None = None) -> None:
        with self.bounded("close"):
            await self._close(linger)

    # --- implemented by each kind ------------------------------------------------------------------

    @abc.abstractmethod
    async def _bind(self, endpoint: str) -> str: ...

    @abc.abstractmethod
    async def _command(self, call: str, argument: str | bytes) -> None: ...

    @abc.abstractmethod
    async def _set(self, option: str, value: int | bytes) -> None: ...

    @abc.abstractmethod
    async def _send(self, frames: list[bytes], *, wait: bool) -> None: ...

    @abc.abstractmethod
    async def _receive(self, *, wait: bool) -> list[bytes]: ...

    @abc.abstractmethod
    async def _close(self, linger: int | None) -> None: ...


class Side(abc.ABC):
    """All sockets of one side of a scenario: a libzmq process, or one of our Contexts."""

    kind: str

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._made = 0

    def new_name(self, socket_type: str) -> str:
        self._made += 1
        return f"{self.kind} {socket_type} {self._made}"

    @abc.abstractmethod
    async def socket(self, socket_type: str, **options: Any) -> Peer:
        """A new socket, watched by a monitor from its first moment. Options by libzmq's names in lower case."""

    @abc.abstractmethod
    async def guard(self, passwords: dict[str, str], certificates: str) -> None:
        """Admit clients: with PLAIN by password, with CURVE if their certificate is in this folder, with NULL all."""

    @abc.abstractmethod
    async def crash(self) -> None:
        """End at once, without sending anything. The next `socket` starts the side again."""

    @abc.abstractmethod
    async def term(self) -> None:
        """Close every socket and wait until each has lingered as its options say."""


class World:
    """The two sides of a scenario and the transport between them."""

    def __init__(self, server: Side, client: Side, transport: str, folder: str) -> None:
        self.server = server
        self.client = client
        self.transport = transport
        self._folder = folder
        self._names = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, server: str, client: str, transport: str) -> AsyncIterator[Self]:
        from interop_tests.libzmq import LibzmqSide
        from interop_tests.ours import OurSide

        kinds: dict[str, type[Side]] = {"ours": OurSide, "libzmq": LibzmqSide}
        # The name is short, because the path of a Unix socket has room for 107 octets.
        folder = tempfile.mkdtemp(prefix="zmtp-")
        try:
            async with trio.open_nursery() as nursery:
                one = kinds[server](nursery)
                # An inproc name is known inside one Context only, so both sides use the same one.
                two = one if transport == "inproc" else kinds[client](nursery)
                yield cls(one, two, transport, folder)
                await one.crash()
                await two.crash()
                nursery.cancel_scope.cancel()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def endpoint(self) -> str:
        """A fresh endpoint to bind."""
        self._names += 1
        if self.transport == "tcp":
            return "tcp://127.0.0.1:*"
        if self.transport == "ipc":
            return f"ipc://{self._folder}/{self._names}"
        return f"inproc://{self._names}"

    @property
    def folder(self) -> str:
        """A directory of this scenario's own."""
        return self._folder

    def known_endpoint(self) -> str:
        """A fresh endpoint that is known before it is bound, so that a client can connect first."""
        return f"tcp://127.0.0.1:{free_port()}" if self.transport == "tcp" else self.endpoint()

    async def pair(
        self,
        server_type: str,
        client_type: str,
        server_options: dict[str, Any] | None = None,
        client_options: dict[str, Any] | None = None,
    ) -> tuple[Peer, Peer]:
        """A socket that is bound and one that is connected to it, with the handshake done."""
        server = await self.server.socket(server_type, **server_options or {})
        client = await self.client.socket(client_type, **client_options or {})
        await self.join(server, client)
        return server, client

    async def join(self, server: Peer, *clients: Peer) -> None:
        """Bind `server` if it is not bound yet, connect the clients, wait until both ends say that they know
        each other."""
        if not server.last_endpoint:
            await server.bind(self.endpoint())
        for client in clients:
            await client.connect(server.last_endpoint)
        await self.handshakes(server, *clients)

    async def handshakes(self, server: Peer, *clients: Peer) -> None:
        if self.transport == "inproc":
            return  # inproc has no bytes, so no handshake and no events: the sockets are joined when connect returns
        await server.wait_event("HANDSHAKE_SUCCEEDED", times=len(clients))
        for client in clients:
            await client.wait_event("HANDSHAKE_SUCCEEDED")


_ports = iter(range(20000 + os.getpid() % 8000, 32768))


def free_port() -> int:
    """A free TCP port, for a server that is not there yet.

    It is not a port that the kernel picks (`:*`), because the kernel takes those from the ephemeral range, from which
    it also takes the ports that clients dial *from*. A client that dials a dead ephemeral port again and again sooner
    or later dials from that very port, and TCP connects it to itself. These ports are below that range, each used once.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port below the ephemeral range")


@contextlib.contextmanager
def refuses(number: int) -> Iterator[None]:
    """What is done inside must be refused, with this errno."""
    with pytest.raises(Refused) as refusal:
        yield
    assert refusal.value.errno == number, str(refusal.value)


def payload(size: int) -> bytes:
    """Octets with a period of 251, a prime: a piece that is missing, doubled or moved shows, whatever the
    chunk size."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def assert_same(received: Sequence[bytes], sent: Sequence[bytes]) -> None:
    """`received == sent`, with a message that stays short: pytest's own would compare 64 MiB line by line."""
    assert shown(received) == shown(sent)
    for position, (one, other) in enumerate(zip(received, sent, strict=True)):
        is_same = one == other
        assert is_same, f"frame {position} ({len(other)} octets) came back with other octets in it"


async def loses_peer(peer: Peer) -> None:
    """Return when `peer` accepts no more messages, because its only peer has gone.

    Until it has noticed that, it accepts messages, and they are lost."""
    with trio.fail_after(PATIENCE):
        while True:
            if not await peer.try_send(b"to a peer that is just going"):
                return
            await trio.sleep(0.005)


async def settle(publisher: Peer, *subscribers: Peer) -> None:
    """Return when `publisher` knows every subscription and cancellation that `subscribers` have made so far.

    A publisher does not report its subscriptions, and a message that it sends before it has a subscription is lost.
    But the subscriptions of one subscriber arrive in the order in which they were sent (37-55). So each subscriber
    subscribes to a marker last, and the marker is published until it arrives. A final marker with another text shows
    that no more are on their way. No other message may be on its way meanwhile.
    """
    marker = b"\xffmarker %d:" % next(_markers)
    arrived = trio.Event()

    async def publish() -> None:
        while not arrived.is_set():
            await publisher.send(marker)
            await trio.sleep(0.005)

    for subscriber in subscribers:
        await subscriber.subscribe(marker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        for subscriber in subscribers:
            first = await subscriber.recv()
            assert first == marker, f"{subscriber.name} received {first!r} while it waited for a marker"
        arrived.set()
    await publisher.send(marker + b"last")
    for subscriber in subscribers:
        while await subscriber.recv() != marker + b"last":
            pass


_markers = itertools.count()


def shown(frames: Sequence[bytes]) -> str:
    """Frames for a message: `[b'ab', 65536 octets]`."""
    return "[" + ", ".join(repr(f) if len(f) <= 32 else f"{len(f)} octets" for f in frames) + "]"
