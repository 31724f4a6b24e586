"""The world of a test: two sides, their sockets, and the endpoints at which the sockets connect.

    World ── server: Side ── Peer, Peer, …      Side   one kind, `ours` or `libzmq`; it can crash and come
    again
          └─ client: Side ── Peer, Peer, …      Peer   one socket

A test uses only `World`, `Side` and `Peer`. The two kinds are in `ours` and `libzmq`.

Every wait in a Peer ends after `PATIENCE`, so a test that hangs fails at the line that waits. No test depends on how
long something takes when it works.
"""

import abc
import contextlib
import errno
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pytest
import trio

from tests.ports import free_port

PATIENCE = 10.0
"""Seconds that any one wait may take. Two noisy cores and 64 MiB need about one."""

SIZES = [0, 1, 255, 256, 65_535, 2**20]
"""Frame sizes at the borders: nothing; the least; the last that fits a short frame (37-24), the first that
does not (37-12); one below 2^16, where a two-octet length would end; and a frame that takes many reads."""

EFSM = 156384763
"""libzmq's own number for "not in this state"."""

ENOTSUP = errno.ENOTSUP


class Refused(Exception):
    """A socket refused a call with EFSM, ENOTSUP, EAGAIN or another error; both kinds have the same numbers."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(f"{errno.errorcode.get(number, number)}: {words}")
        self.errno = number


@dataclass(frozen=True)
class Event:
    """One event of a socket's monitor, with libzmq's name."""

    name: str
    endpoint: str = ""
    value: int = 0
    reason: str = ""  # the reason as text: only our events have one


class EventLog:
    """The events of a socket's monitor. Tests wait for events instead of sleeping."""

    def __init__(self) -> None:
        self.seen: list[Event] = []  # all of them, for the message of a failed test
        self._untaken: list[Event] = []
        self._arrival = trio.lowlevel.ParkingLot()

    def add(self, event: Event) -> None:
        self.seen.append(event)
        self._untaken.append(event)
        self._arrival.unpark_all()

    async def take(self, name: str) -> Event:
        """The first event with this name that wasn't taken before, so taking DISCONNECTED twice means two events."""
        while True:
            for event in self._untaken:
                if event.name == name:
                    self._untaken.remove(event)
                    return event
            await self._arrival.park()

    async def reach(self, number: int) -> None:
        """Wait until there have been this many events, of any name."""
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
        """Bind, and return the endpoint to which others can connect."""
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
        """Set an option, by libzmq's name in lower case."""
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
        """Receive a message of one frame."""
        frames = await self.recv_multipart()
        assert len(frames) == 1, f"{self.name} received {shown(frames)}: one frame was expected"
        return frames[0]

    async def send_many(self, messages: Sequence[list[bytes]]) -> None:
        """Ours sends with one call; libzmq's sends one by one, because it has no such call."""
        for message in messages:
            await self.send_multipart(message)

    async def recv_many(self, count: int) -> list[list[bytes]]:
        """The next `count` messages, with one call or one by one as in send_many."""
        return [await self.recv_multipart() for _ in range(count)]

    async def try_send(self, *frames: bytes) -> bool:
        """Send without waiting. False if it would block (EAGAIN)."""
        try:
            with self.bounded("send without waiting"):
                await self._send(list(frames), wait=False)
        except Refused as refusal:
            if refusal.errno == errno.EAGAIN:
                return False
            raise
        return True

    async def try_recv(self) -> list[bytes] | None:
        """A message that has already arrived, or None (EAGAIN)."""
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
        """A new socket with a monitor from the start. Options have libzmq's names in lower case."""

    @abc.abstractmethod
    async def guard(self, passwords: dict[str, str], certificates: str) -> None:
        """Admit clients: PLAIN by password, CURVE if their certificate is in this folder, and all with NULL."""

    @abc.abstractmethod
    async def crash(self) -> None:
        """End at once, without sending anything. The next call of `socket` starts the side again."""

    async def retire(self) -> None:
        """The test is over."""
        await self.crash()

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
        # The name is short, because the path of a Unix socket has at most 107 octets.
        folder = tempfile.mkdtemp(prefix="zmtp-")
        try:
            async with trio.open_nursery() as nursery:
                one = kinds[server](nursery)
                # Both sides use the same Context, because an inproc name is known only inside one Context.
                two = one if transport == "inproc" else kinds[client](nursery)
                yield cls(one, two, transport, folder)
                await one.retire()
                await two.retire()
                nursery.cancel_scope.cancel()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def endpoint(self) -> str:
        """A new endpoint to bind, which may have a wildcard."""
        self._names += 1
        if self.transport == "tcp":
            return "tcp://127.0.0.1:*"
        if self.transport == "ipc":
            return f"ipc://{self._folder}/{self._names}"
        return f"inproc://{self._names}"

    @property
    def folder(self) -> str:
        """A directory for this test only."""
        return self._folder

    def known_endpoint(self) -> str:
        """A new endpoint without a wildcard, so that a client can connect before the server binds."""
        return f"tcp://127.0.0.1:{free_port()}" if self.transport == "tcp" else self.endpoint()

    async def pair(
        self,
        server_type: str,
        client_type: str,
        server_options: dict[str, Any] | None = None,
        client_options: dict[str, Any] | None = None,
    ) -> tuple[Peer, Peer]:
        """A bound socket and one that is connected to it, after their handshake."""
        server = await self.server.socket(server_type, **server_options or {})
        client = await self.client.socket(client_type, **client_options or {})
        await self.join(server, client)
        return server, client

    async def join(self, server: Peer, *clients: Peer) -> None:
        """Bind `server` if it isn't bound yet, connect the clients, and wait until both ends report the handshake."""
        if not server.last_endpoint:
            await server.bind(self.endpoint())
        for client in clients:
            await client.connect(server.last_endpoint)
        await self.handshakes(server, *clients)

    async def handshakes(self, server: Peer, *clients: Peer) -> None:
        if self.transport == "inproc":
            return  # inproc has no handshake and no events: the sockets are connected when connect returns
        await server.wait_event("HANDSHAKE_SUCCEEDED", times=len(clients))
        for client in clients:
            await client.wait_event("HANDSHAKE_SUCCEEDED")


@contextlib.contextmanager
def refuses(number: int) -> Iterator[None]:
    """The body must be refused with this errno."""
    with pytest.raises(Refused) as refusal:
        yield
    assert refusal.value.errno == number, str(refusal.value)


def payload(size: int) -> bytes:
    """Octets with a period of 251, a prime, so that a missing, repeated or moved chunk of any size is noticed."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def assert_same(received: Sequence[bytes], sent: Sequence[bytes]) -> None:
    """Assert `received == sent` with a short message, because pytest's own would compare 64 MiB line by line."""
    assert shown(received) == shown(sent)
    for position, (one, other) in enumerate(zip(received, sent, strict=True)):
        is_same = one == other
        assert is_same, f"frame {position} ({len(other)} octets) came back with other octets in it"


async def loses_peer(peer: Peer) -> None:
    """Send until `peer` accepts no more messages, because its only peer has left.

    It accepts messages until it has noticed that, and these are lost.
    """
    with trio.fail_after(PATIENCE):
        while True:
            if not await peer.try_send(b"to a peer that is just going"):
                return
            await trio.sleep(0.005)


async def settle(publisher: Peer, *subscribers: Peer) -> None:
    """Return when `publisher` knows every subscription and cancellation that `subscribers` have made so far.

    A publisher doesn't report its subscriptions, and drops a message for which it has none. But the subscriptions of
    one subscriber arrive in the order in which they were sent (37-55). So each subscriber finally subscribes to a
    marker, and the marker is published until it arrives. A last marker with another text shows that no more of them are
    under way. No other message may be under way at the same time.
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
    """Frames as text for a failure: `[b'ab', 65536 octets]`."""
    return "[" + ", ".join(repr(f) if len(f) <= 32 else f"{len(f)} octets" for f in frames) + "]"
