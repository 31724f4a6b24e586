"""Transports: binding, dialling, and the files that ipc leaves behind or does not."""

import contextlib
import errno
import os
import platform
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import minizmtp as zmq
from minizmtp.net.addresses import host_of
from minizmtp.net.endpoints import Ipc, Tcp
from minizmtp.net.transports import ACCEPTS_PER_CHECKPOINT, LONGEST_PATH, Stream, dial, listen
from minizmtp.options import Options
from tests.minizmtp.helpers import Event, free_endpoint, logged, until
from tests.minizmtp.inside import links_of

LOCAL = Tcp("127.0.0.1", 0)


@pytest.fixture
def path() -> object:
    """A path for a socket, short enough whatever the system's temporary directory is called."""
    with tempfile.TemporaryDirectory(prefix="z") as directory:
        yield os.path.join(directory, "s")


def there(path: str) -> bool:
    return os.path.exists(path)


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def read(path: str) -> str:
    return Path(path).read_text()


def mode(path: str) -> int:
    return os.stat(path).st_mode


async def receive(stream: Stream) -> bytes:
    """What has come, or comes next."""
    while (data := stream.try_receive()) is None:
        await stream.wait_receivable()
    return data


def a_stream() -> tuple[Stream, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Stream(ours), theirs


# ------------------------------------------------------------------------------------------------------- tcp


@pytest.mark.requirement("L-15")
@pytest.mark.parametrize(
    ("host", "ipv6", "bound"), [("127.0.0.1", 0, "127.0.0.1"), ("*", 0, "0.0.0.0"), ("*", 1, "::"), ("::1", 0, "::1")]
)
async def test_a_wildcard_becomes_an_address_and_a_port(host: str, ipv6: int, bound: str) -> None:
    options = Options()
    options.ipv6 = ipv6
    listener = listen(Tcp(host, 0), options)
    assert isinstance(listener.endpoint, Tcp)
    assert listener.endpoint.host == bound
    assert listener.endpoint.port > 0
    listener.close()


async def test_all_interfaces_of_ipv6_are_those_of_ipv4_too() -> None:
    options = Options()
    options.ipv6 = 1
    listener = listen(Tcp("*", 0), options)
    assert isinstance(listener.endpoint, Tcp)
    with trio.fail_after(5):
        for host in ("127.0.0.1", "::1"):
            stream = await dial(Tcp(host, listener.endpoint.port), options)
            (await listener.accept()).close()
            stream.close()
    listener.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_dial_takes_names_and_addresses_of_either_family(host: str) -> None:
    listener = listen(Tcp("::1" if host == "::1" else "127.0.0.1", 0), Options())
    assert isinstance(listener.endpoint, Tcp)
    with trio.fail_after(5):
        stream = await dial(Tcp(host, listener.endpoint.port), Options())
        accepted = await listener.accept()
        assert accepted.peer_address == listener.endpoint.host
        stream.try_send(b"hello")
        assert await receive(accepted) == b"hello"
        stream.close()
        assert await receive(accepted) == b""
        accepted.close()
    listener.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse a connection that waits in no queue")
async def test_connect_timeout_ends_an_attempt_without_an_answer(quick_clock: MockClock) -> None:
    """A listener whose queue is full does not answer a SYN."""
    options = Options()
    options.connect_timeout = 700
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as stack:
        port = deaf.getsockname()[1]
        for _ in range(4):
            crowd = stack.enter_context(socket.socket())
            crowd.setblocking(False)
            crowd.connect_ex(("127.0.0.1", port))
        began = trio.current_time()
        with pytest.raises(OSError, match=r"no connection within 700 ms \(connect_timeout\)") as caught:
            await dial(Tcp("127.0.0.1", port), options)
        assert caught.value.errno == errno.ETIMEDOUT
        assert trio.current_time() - began == pytest.approx(0.7, abs=0.1)


@pytest.mark.requirement("L-16")
@pytest.mark.parametrize(
    ("host", "code", "advice"),
    [
        ("server.example", errno.ENODEV, "names are for connect"),
        ("no-such-interface", errno.ENODEV, "an interface that has one"),
        ("192.0.2.1", errno.EADDRNOTAVAIL, r"expected an address of this machine, or `\*` for all"),
    ],
)
def test_bind_needs_an_address_of_this_machine(host: str, code: int, advice: str) -> None:
    with pytest.raises(zmq.ZMQError, match=advice) as caught:
        listen(Tcp(host, 0), Options())
    assert caught.value.errno == code


@pytest.mark.requirement("L-16")
async def test_a_port_in_use_is_refused_and_free_at_once_after_close() -> None:
    listener = listen(LOCAL, Options())
    with pytest.raises(zmq.ZMQError, match="choose another endpoint") as caught:
        listen(listener.endpoint, Options())
    assert caught.value.errno == zmq.EADDRINUSE
    with trio.fail_after(5):
        stream = await dial(listener.endpoint, Options())
        accepted = await listener.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        assert await receive(stream) == b""
        stream.close()
    listener.close()
    listen(listener.endpoint, Options()).close()


async def test_a_port_without_a_listener_is_an_oserror() -> None:
    with trio.fail_after(5), pytest.raises(ConnectionRefusedError):
        await dial(Tcp("127.0.0.1", int(free_endpoint().rpartition(":")[2])), Options())


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "name\0zero", "\ud800"])
async def test_what_is_no_name_is_an_oserror(host: str) -> None:
    with trio.fail_after(5), pytest.raises(OSError, match=r"invalid host name|not known"):
        await dial(Tcp(host, 5555), Options())


@pytest.mark.requirement("L-16")
async def test_a_name_that_is_none_is_retried(quick_clock: trio.testing.MockClock) -> None:
    """libzmq accepts it silently, and so do we: a name may get an address one day. The monitor tells."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        with trio.fail_after(60):
            push.connect(f"tcp://{'a' * 70}:5555")
            assert "invalid host name" in (await until(monitor, Event.CLOSED)).reason
            await until(monitor, Event.CONNECT_RETRIED)
            await until(monitor, Event.CONNECT_DELAYED)


async def test_options_reach_the_system() -> None:
    options = Options()
    options.tcp_keepalive, options.tcp_keepalive_idle, options.tcp_keepalive_cnt = 1, 77, 5
    options.sndbuf = options.rcvbuf = 20000
    listener = listen(LOCAL, options)
    with trio.fail_after(5):
        stream = await dial(listener.endpoint, options)
        accepted = await listener.accept()
    for end in (stream, accepted):
        sock = end._socket
        assert sock.getblocking() is False
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 5
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (20000, 40000)  # Linux doubles it
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (20000, 40000)
        end.close()
    listener.close()


async def test_the_sizes_of_buffers_reach_the_system_over_ipc_too(path: str) -> None:
    options = Options()
    options.sndbuf, options.rcvbuf = 20000, 30000
    listener = listen(Ipc(path), options)
    with trio.fail_after(5):
        stream = await dial(Ipc(path), options)
        accepted = await listener.accept()
    for end in (stream, accepted):
        assert end._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (20000, 40000)
        assert end._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (30000, 60000)
        end.close()
    listener.close()


# ------------------------------------------------------------------------------------------------------- ipc


async def test_an_ipc_socket_is_a_file_while_it_is_bound(path: str) -> None:
    listener = listen(Ipc(path), Options())
    assert stat.S_ISSOCK(mode(path))
    with trio.fail_after(5):
        stream = await dial(Ipc(path), Options())
        accepted = await listener.accept()
        assert accepted.peer_address == ""
        stream.close()
        accepted.close()
    listener.close()
    assert not there(path)
    listener.close()  # again


async def test_a_stale_file_is_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(path)
    assert there(path)
    listen(Ipc(path), Options()).close()


async def test_a_live_one_is_not_stolen(path: str) -> None:
    first = listen(Ipc(path), Options())
    with pytest.raises(zmq.ZMQError, match="Address already in use") as caught:
        listen(Ipc(path), Options())
    assert caught.value.errno == zmq.EADDRINUSE
    assert there(path)
    first.close()


async def test_a_live_one_is_not_stolen_even_when_its_queue_is_full(path: str) -> None:
    with (
        socket.socket(socket.AF_UNIX) as busy,
        socket.socket(socket.AF_UNIX) as one,
        socket.socket(socket.AF_UNIX) as two,
    ):
        busy.bind(path)
        busy.listen(0)
        for caller in (one, two):
            caller.setblocking(False)
            try:
                caller.connect(path)
            except BlockingIOError:
                break
        with pytest.raises(zmq.ZMQError) as caught:
            listen(Ipc(path), Options())
        assert caught.value.errno == zmq.EADDRINUSE
        assert there(path)


async def test_a_file_of_another_kind_is_not_touched(path: str) -> None:
    write(path, "precious")
    with pytest.raises(zmq.ZMQError, match="path exists and is not a socket") as caught:
        listen(Ipc(path), Options())
    assert caught.value.errno == zmq.EADDRINUSE
    assert read(path) == "precious"


async def test_closing_leaves_a_file_that_took_our_files_place(path: str) -> None:
    ours = listen(Ipc(path), Options())
    os.rename(path, path + "2")
    write(path, "another's")
    ours.close()
    assert read(path) == "another's"
    os.unlink(path + "2")


async def test_a_wildcard_is_a_fresh_path_and_its_directory_goes_too() -> None:
    one, two = listen(Ipc("*"), Options()), listen(Ipc("*"), Options())
    assert isinstance(one.endpoint, Ipc)
    assert isinstance(two.endpoint, Ipc)
    assert one.endpoint != two.endpoint
    for listener in (one, two):
        assert isinstance(listener.endpoint, Ipc)
        assert there(listener.endpoint.path)
        listener.close()
        assert not there(listener.endpoint.path.rpartition("/")[0])


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="abstract names are Linux's")
async def test_an_abstract_name_is_in_no_file_system() -> None:
    name = f"@minizmtp-test-{os.getpid()}"
    listener = listen(Ipc(name), Options())
    assert not there(name)
    with pytest.raises(zmq.ZMQError) as caught:
        listen(Ipc(name), Options())
    assert caught.value.errno == zmq.EADDRINUSE
    with trio.fail_after(5):
        (await dial(Ipc(name), Options())).close()
    listener.close()
    listen(Ipc(name), Options()).close()


@pytest.mark.parametrize(
    ("where", "code", "advice"),
    [
        ("/no/such/directory/s", errno.ENOENT, "make the directory first"),
        ("/tmp/" + "x" * LONGEST_PATH, errno.ENAMETOOLONG, f"at most {LONGEST_PATH} octets"),
    ],
)
async def test_a_path_that_cannot_be_is_refused_with_advice(where: str, code: int, advice: str) -> None:
    with pytest.raises(zmq.ZMQError, match=advice) as caught:
        listen(Ipc(where), Options())
    assert caught.value.errno == code
    if code == errno.ENAMETOOLONG:
        async with zmq.Context() as ctx:
            with pytest.raises(zmq.ZMQError, match=advice):
                ctx.socket(zmq.PUSH, linger=0).connect(f"ipc://{where}")


# ------------------------------------------------------------------------------------------------------- streams


async def test_try_receive_gives_what_has_come_and_nothing_at_the_end() -> None:
    stream, peer = a_stream()
    assert stream.try_receive() is None
    peer.send(b"one")
    peer.send(b"two")
    assert stream.try_receive() == b"onetwo"
    assert stream.try_receive() is None
    peer.close()
    assert stream.try_receive() == b""
    stream.close()
    stream.close()  # again


BURSTS = """
import resource
from minizmtp.net.runtime import keep_memory
from tests.minizmtp.inside import links_of

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        [bytearray(65536) for _ in range(16)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
keep_memory()
faults()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc may do as it likes")
@pytest.mark.slow
def test_memory_is_kept_for_the_next_burst() -> None:
    """Without, a hundred bursts of 1 MiB ask for some 14,000 pages anew."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", BURSTS], env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < 1000
    assert after <= before


class Heap:
    """A Connection with room for so many octets; what comes when there is none left is `data`."""

    def __init__(self, room: int) -> None:
        self.octets = bytearray(room)
        self.come = 0
        self.data: list[bytes] = []

    def get_buffer(self) -> memoryview | None:
        return memoryview(self.octets)[self.come :] if self.come < len(self.octets) else None

    def buffer_updated(self, count: int) -> None:
        self.octets += b""  # a BufferError if a memoryview of it still existed
        self.come += count

    def receive_data(self, data: bytes) -> None:
        self.data.append(data)


async def test_octets_are_received_into_the_callers_buffer() -> None:
    stream, peer = a_stream()
    receiver = Heap(5)
    assert stream.try_receive_into(receiver) is None
    peer.send(b"one")
    assert stream.try_receive_into(receiver) == 3
    peer.send(b"two")
    assert [stream.try_receive_into(receiver) for _ in range(3)] == [2, 1, None]
    assert (receiver.octets, receiver.data) == (b"onetw", [b"o"])
    peer.close()
    assert stream.try_receive_into(receiver) == 0
    assert receiver.data == [b"o", b""]
    stream.close()


async def test_receiving_into_a_buffer_returns_0_at_the_end() -> None:
    stream, peer = a_stream()
    receiver = Heap(5)
    peer.close()
    assert stream.try_receive_into(receiver) == 0
    assert (receiver.come, receiver.data) == (0, [b""])
    stream.close()


async def test_several_pieces_go_out_in_their_order() -> None:
    stream, peer = a_stream()
    assert stream.try_send(b"one", memoryview(b"two"), b"") == 6
    assert peer.recv(100) == b"onetwo"
    while stream.try_send(b"x" * 65536, b"y"):
        pass
    stream.close()
    peer.close()


async def test_try_send_never_waits() -> None:
    stream, peer = a_stream()
    taken = 0
    while count := stream.try_send(bytes(100_000)):
        taken += count
    assert taken > 0
    while taken:
        taken -= len(peer.recv(100_000))
    assert stream.try_send(b"more") == 4
    stream.close()
    peer.close()


async def test_closing_a_stream_wakes_its_waiters() -> None:
    stream, peer = a_stream()

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.wait_receivable()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            stream.close()
    peer.close()


async def test_a_listener_may_be_closed_before_accept_is_called() -> None:
    listener = listen(LOCAL, Options())
    listener.close()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_accepting_many_connections_lets_other_tasks_run() -> None:
    options = Options()
    options.backlog = 200
    listener = listen(LOCAL, options)
    crowd = [await dial(listener.endpoint, options) for _ in range(100)]
    others = 0

    async def count_turns() -> None:
        nonlocal others
        while True:
            await trio.lowlevel.checkpoint()
            others += 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count_turns)
            let_in = [await listener.accept() for _ in crowd]
            nursery.cancel_scope.cancel()
    # In which order the two have their turns, trio leaves to chance.
    assert 100 // ACCEPTS_PER_CHECKPOINT // 2 <= others < 20
    for stream in [*crowd, *let_in]:
        stream.close()
    listener.close()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
async def test_bind_and_close_at_once_leaves_no_trace(endpoint: str, caplog: pytest.LogCaptureFixture) -> None:
    with logged(caplog) as words:
        async with zmq.Context() as ctx:
            for _ in range(3):
                sock = ctx.socket(zmq.PULL)
                sock.bind(endpoint)
                sock.unbind(sock.last_endpoint)
                sock.bind(endpoint)
                sock.close()
    assert words == []


async def test_running_out_of_files_is_logged_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, quick_clock: trio.testing.MockClock
) -> None:
    """Who waits meanwhile is served afterwards; and the listener may be closed in the pause."""
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0)
        pull.bind("tcp://127.0.0.1:*")
        monitor = pull.monitor()
        accept, failures = socket.socket.accept, 2

        def no_more(sock: socket.socket) -> object:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return accept(sock)

        monkeypatch.setattr(socket.socket, "accept", no_more)
        with trio.fail_after(60), logged(caplog) as words:
            push.connect(pull.last_endpoint)
            for _ in range(2):
                assert (await until(monitor, Event.ACCEPT_FAILED)).value == errno.EMFILE
            await push.send(b"patience")
            assert await pull.recv() == b"patience"
        assert words == [f"{pull.last_endpoint}: Too many open files; trying again every 0.1 s"]  # once, not twice
        await trio.sleep(11)
        failures = 1
        other = ctx.socket(zmq.PUSH, linger=0)
        with trio.fail_after(60), logged(caplog) as words:
            other.connect(pull.last_endpoint)
            await until(monitor, Event.ACCEPT_FAILED)
            pull.close()
            await trio.sleep(1)
        assert len(words) == 1


@pytest.mark.parametrize("endpoint", [LOCAL, Ipc("*"), Ipc("@minizmtp-test")], ids=["tcp", "ipc", "abstract"])
async def test_a_peer_may_go_on_after_the_end_of_the_other_side(endpoint: Tcp | Ipc) -> None:
    if endpoint == Ipc("@minizmtp-test") and sys.platform != "linux":
        pytest.skip("names in no file system are Linux's")
    listener = listen(endpoint, Options())
    one = await dial(listener.endpoint, Options())
    other = await listener.accept()
    assert one.peer == listener.endpoint
    assert isinstance(other.peer, Tcp) if endpoint == LOCAL else other.peer == Ipc("")
    one.send_eof()
    await other.wait_receivable()
    assert other.try_receive() == b""
    other.try_send(b"still here")
    await one.wait_receivable()
    assert one.try_receive() == b"still here"
    for stream in (one, other, listener):
        stream.close()
    assert one.peer is None


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (("127.0.0.1", 5555), "127.0.0.1"),
        (("::1", 5555, 0, 0), "::1"),
        (("fe80::1", 5555, 0, 1), "fe80::1%lo"),  # as Python's accept() gives it; libzmq's Peer-Address has the zone
        (("fe80::1%lo", 5555, 0, 1), "fe80::1%lo"),  # as getaddrinfo() may give it
        (("fe80::1", 5555, 0, 2**30), "fe80::1"),  # an interface that has gone
        ("/run/app.sock", ""),
        (b"\0app", ""),
    ],
)
def test_the_address_of_a_peer_has_its_zone_and_no_port(address: object, host: str) -> None:
    assert host_of(address) == host


# ------------------------------------------------------------------------------------------- spellings of one place


def with_ipv6(value: int = 1) -> Options:
    options = Options()
    options.ipv6 = value
    return options


@pytest.mark.parametrize("host", ["*", "::", "0::0"])
async def test_with_ipv6_all_interfaces_are_those_of_ipv4_too(host: str) -> None:
    """However they are spelled: libzmq's manual says so of ZMQ_IPV6."""
    listener = listen(Tcp(host, 0), with_ipv6())
    assert isinstance(listener.endpoint, Tcp)
    assert listener.endpoint.host == "::"
    with trio.fail_after(5):
        for target in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            stream = await dial(Tcp(target, listener.endpoint.port), Options())
            (await listener.accept()).close()
            stream.close()
    listener.close()


@pytest.mark.parametrize("ipv6", [0, 1])
@pytest.mark.parametrize(
    ("host", "bound"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:7f00:1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("LocalHost", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::ffff:0.0.0.0", "0.0.0.0"),
        ("0::1", "::1"),
    ],
)
async def test_an_address_is_bound_however_it_is_spelled(host: str, bound: str, ipv6: int) -> None:
    listener = listen(Tcp(host, 0), with_ipv6(ipv6))
    assert isinstance(listener.endpoint, Tcp)
    assert listener.endpoint.host == bound
    with trio.fail_after(5):
        stream = await dial(Tcp(host, listener.endpoint.port), with_ipv6(ipv6))
        accepted = await listener.accept()
        assert ":" in accepted.peer_address or accepted.peer_address == "127.0.0.1"
        accepted.close()
        stream.close()
    listener.close()


async def test_without_ipv6_a_system_has_all_interfaces_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def no_ipv6(family: int = socket.AF_INET, *arguments: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return real(family, *arguments)

    monkeypatch.setattr(socket, "socket", no_ipv6)
    listener = listen(Tcp("*", 0), with_ipv6())
    assert isinstance(listener.endpoint, Tcp)
    assert listener.endpoint.host == "0.0.0.0"
    listener.close()
    with pytest.raises(zmq.ZMQError) as caught:
        listen(Tcp("::", 0), with_ipv6())
    assert caught.value.errno == errno.EAFNOSUPPORT


LOOPBACK = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "")


@pytest.mark.skipif(not LOOPBACK, reason="no loopback interface")
@pytest.mark.parametrize("ipv6", [0, 1] if sys.platform == "linux" else [0])
async def test_an_interface_stands_for_its_address(ipv6: int) -> None:
    address = "::1" if ipv6 else "127.0.0.1"
    listener = listen(Tcp(LOOPBACK, 0), with_ipv6(ipv6))
    assert isinstance(listener.endpoint, Tcp)
    assert listener.endpoint.host == address
    with trio.fail_after(5):
        stream = await dial(Tcp(address, listener.endpoint.port), Options())
        (await listener.accept()).close()
        stream.close()
    listener.close()


@pytest.mark.parametrize(
    ("bound", "again"),
    [
        ("tcp://*:*", "tcp://*:PORT"),
        ("tcp://*:*", "tcp://0.0.0.0:PORT"),
        ("tcp://127.0.0.1:*", "tcp://[::ffff:127.0.0.1]:PORT"),
        ("tcp://[::ffff:127.0.0.1]:*", "tcp://127.0.0.1:PORT"),
        ("tcp://localhost:*", "tcp://localhost:PORT"),
        ("tcp://127.0.0.1:*", "tcp://LOCALHOST:PORT"),
        ("tcp://[::1]:*", "tcp://[0::1]:PORT"),
        pytest.param(
            f"tcp://{LOOPBACK}:*",
            f"tcp://{LOOPBACK}:PORT",
            marks=pytest.mark.skipif(not LOOPBACK, reason="no loopback interface"),
        ),
    ],
)
async def test_an_endpoint_is_unbound_by_any_spelling(bound: str, again: str) -> None:
    async with zmq.Context() as ctx:
        pull = ctx.socket(zmq.PULL)
        pull.bind(bound)
        _, _, port = pull.last_endpoint.rpartition(":")
        with pytest.raises(zmq.ZMQError) as caught:
            pull.unbind(again.replace("PORT", "1"))
        assert caught.value.errno == zmq.ENOENT
        pull.unbind(again.replace("PORT", port))
        assert not links_of(pull)


@pytest.mark.parametrize(
    ("connected", "again"),
    [
        ("tcp://localhost:5555", "tcp://127.0.0.1:5555"),
        ("tcp://127.0.0.1:5555", "tcp://localhost:5555"),
        ("tcp://Server.Example:5555", "tcp://server.example:5555"),
        ("tcp://[0::1]:5555", "tcp://[::1]:5555"),
        ("tcp://[::ffff:127.0.0.1]:5555", "tcp://127.0.0.1:5555"),
        ("tcp://127.0.0.1:05555", "tcp://127.0.0.1:5555"),
        ("tcp://127.0.0.1:0;127.0.0.1:5555", "tcp://127.0.0.1;127.1:5555"),
    ],
)
async def test_an_endpoint_is_disconnected_by_any_spelling(connected: str, again: str) -> None:
    """And to connect to it twice is to connect once, for the types of which that is so (L-17)."""
    async with zmq.Context() as ctx:
        dealer = ctx.socket(zmq.DEALER, linger=0)
        dealer.connect(connected)
        dealer.connect(again)
        assert len(links_of(dealer)) == 1
        dealer.disconnect(again)
        with pytest.raises(zmq.ZMQError) as caught:
            dealer.disconnect(connected)
        assert caught.value.errno == zmq.ENOENT
        dealer.connect("tcp://127.0.0.1:5;127.0.0.1:5555")  # from elsewhere, so it is another
        with pytest.raises(zmq.ZMQError):
            dealer.disconnect(again)


# ------------------------------------------------------------------------------------------- where a connect is from


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of Linux alone")
@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.2:0", "127.0.0.2:*", "[::ffff:127.0.0.2]"])
async def test_a_connect_comes_from_its_source_address(source: str) -> None:
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL), ctx.socket(zmq.PUSH, linger=0)
        pull.bind("tcp://127.0.0.1:*")
        push.connect(f"tcp://{source};{pull.last_endpoint.removeprefix('tcp://')}")
        await push.send(b"hello")
        with trio.fail_after(5):
            assert (await pull.recv_message()).metadata["Peer-Address"] == "127.0.0.2"


@pytest.mark.skipif(not LOOPBACK, reason="no loopback interface")
@pytest.mark.parametrize("source", ["127.0.0.1", "*", "localhost", LOOPBACK])
async def test_a_connect_comes_from_its_source_port(source: str) -> None:
    port = int(free_endpoint().rpartition(":")[2])
    listener = listen(LOCAL, Options())
    assert isinstance(listener.endpoint, Tcp)
    with trio.fail_after(5):
        stream = await dial(listener.endpoint._replace(source=Tcp(source, port)), Options())
        accepted = await listener.accept()
        assert accepted.peer == Tcp("127.0.0.1", port)
        accepted.close()
        stream.close()
    listener.close()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("no-such-if", "no interface 'no-such-if' with an address of that family"),
        ("::1", "the source address ::1 is of another family than its target"),
        ("192.0.2.77", "assign requested address"),
    ],
)
async def test_a_source_that_is_not_there_is_tried_again(
    source: str, reason: str, quick_clock: trio.testing.MockClock
) -> None:
    """An interface may be switched on later."""
    async with zmq.Context() as ctx:
        push = ctx.socket(zmq.PUSH, linger=0)
        monitor = push.monitor()
        push.connect(f"tcp://{Tcp(source, 0)};127.0.0.1:5555".replace("tcp://tcp://", "tcp://"))
        with trio.fail_after(60):
            for _ in range(2):
                assert reason in (await until(monitor, Event.CLOSED)).reason
                await until(monitor, Event.CONNECT_RETRIED)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of directories are of Unix")
async def test_an_ipc_bind_that_fails_leaves_no_directory(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(socket.socket, "listen", fails)
    monkeypatch.setattr(tempfile, "tempdir", os.path.dirname(path))
    for endpoint in (Ipc("*"), Ipc(path)):
        with pytest.raises(zmq.ZMQError):
            listen(endpoint, Options())
    assert os.listdir(os.path.dirname(path)) == []
