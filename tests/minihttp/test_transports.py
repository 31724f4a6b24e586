"""What holds for a request holds over TCP, over TLS and over a Unix socket: each scenario runs on all three."""

import select
import ssl
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing
import trustme

import minihttp
from minihttp import streams
from minihttp.streams import STEPS, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
LARGE = 20_000_000  # more than the kernel buffers


class Over:
    """A server of ours or a script, and clients that reach it, over one transport."""

    def __init__(self, kind, nursery, directory, authority):
        self.kind, self.nursery, self.uds, self.ours = kind, nursery, None, True
        self.theirs = None
        if kind == "unix":
            self.uds = str(directory / "socket")
        if kind == "tls":
            self.ours, self.theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.configure_trust(self.ours)
            authority.issue_cert("127.0.0.1").configure_cert(self.theirs)

    async def serve(self, handler):
        """minihttp's own server."""
        where = {"uds": self.uds} if self.uds else {"host": "127.0.0.1"}
        [listener] = await self.nursery.start(
            partial(minihttp.serve, handler, ssl_context=self.theirs, grace=0, **where)
        )
        self._settle(listener)

    async def play(self, script):
        """`script(stream)` for each connection.  Over TLS the stream raises if the client leaves without a goodbye."""

        async def guarded(stream):
            if self.theirs is not None:
                stream = trio.SSLStream(stream, self.theirs, server_side=True)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await script(stream)
            await trio.aclose_forcefully(stream)

        if self.uds:
            sock = trio.socket.socket(trio.socket.AF_UNIX)
            await sock.bind(self.uds)
            sock.listen()
            listeners = [trio.SocketListener(sock)]
        else:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.nursery.start_soon(trio.serve_listeners, guarded, listeners)
        self._settle(listeners[0])

    def _settle(self, listener):
        name = "localhost" if self.uds else f"127.0.0.1:{listener.socket.getsockname()[1]}"
        self.url = f"{'https' if self.theirs else 'http'}://{name}"

    def client(self, **options):
        return minihttp.AsyncClient(base_url=self.url, verify=self.ours, uds=self.uds, **options)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(params=["tcp", "tls", "unix"])
async def over(request, nursery, tmp_path, authority):
    yield Over(request.param, nursery, tmp_path, authority)
    assert uploads() == []  # no task of ours has outlived its exchange


@pytest.fixture
def clock(mock_clock):
    mock_clock.autojump_threshold = 0.02
    return mock_clock


def uploads():
    """The names of all tasks that are sending a request."""
    tasks, found = [trio.lowlevel.current_root_task()], []
    while tasks:
        task = tasks.pop()
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        found += [task.name] if "minihttp upload" in task.name else []
    return found


class Endless:
    """A body without an end, which tells when it has been closed."""

    def __init__(self):
        self.is_closed = False

    async def pieces(self):
        try:
            while True:
                yield bytes(1000)
                await trio.lowlevel.checkpoint()
        finally:
            self.is_closed = True


async def echo(request):
    return minihttp.Response(200, content=request.aiter_bytes())


# ── the answer comes while the request is being sent ────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["bytes", "list", "one large piece"])
@pytest.mark.slow
async def test_a_large_body_is_echoed_while_it_is_sent(over, kind):
    body = bytes(range(250)) * (LARGE // 250)
    pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
    await over.serve(echo)
    async with over.client() as client:
        content = {"bytes": body, "list": pieces, "one large piece": [body]}[kind]
        assert (await client.post("/", content=content)).content == body
        assert "0 active, 1 idle" in repr(client)


async def test_a_conversation_goes_both_ways(over):
    heard = trio.Event()

    async def questions():
        nonlocal heard
        for number in range(5):
            yield b"question %d" % number
            await heard.wait()
            heard = trio.Event()

    await over.serve(echo)
    answers = []
    async with over.client() as client:
        async with client.stream("POST", "/", content=questions()) as response:
            async for piece in response.aiter_bytes():
                answers.append(piece)
                heard.set()
        assert "0 active, 1 idle" in repr(client)
    assert answers == [b"question %d" % number for number in range(5)]


@pytest.mark.parametrize("body", [bytes(LARGE), [bytes(LARGE)], [b"x" * 100_000] * 1000], ids=["bytes", "one", "list"])
@pytest.mark.slow
async def test_a_refusal_is_heard_at_once(over, clock, read_head, body):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(TOO_LARGE)
        await trio.sleep_forever()

    await over.play(script)
    async with over.client(timeout=None) as client:
        response = await client.post("/", content=body)
        assert (response.status_code, response.content) == (413, b"big")
        assert "0 active, 0 idle" in repr(client)  # the server may take the next octets for the rest of the body
    assert trio.current_time() < 1


@pytest.mark.slow
async def test_a_response_followed_by_a_reset_is_read(over, read_head):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(TOO_LARGE)  # returning closes, with the body unread

    await over.play(script)
    async with over.client() as client:
        for _ in range(20):
            assert (await client.post("/", content=bytes(LARGE))).status_code == 413
        assert "0 active, 0 idle" in repr(client)


async def test_a_refusal_ends_a_body_without_an_end(over, read_head):
    body = Endless()

    async def script(stream):
        await read_head(stream)
        await stream.send_all(TOO_LARGE)
        async for _ in stream:
            pass

    await over.play(script)
    async with over.client() as client, client.stream("POST", "/", content=body.pieces()) as response:
        assert response.status_code == 413
        assert body.is_closed


@pytest.mark.slow
async def test_a_success_ends_a_body_without_an_end(over, clock, read_head):
    body = Endless()

    async def script(stream):
        await read_head(stream)
        await stream.send_all(OK)
        async for _ in stream:
            await trio.sleep(0.1)

    await over.play(script)
    async with over.client() as client:
        assert (await client.post("/", content=body.pieces())).text == "ok"
        assert body.is_closed
        assert "0 active, 0 idle" in repr(client)
    assert trio.current_time() < 1.5


async def test_a_server_that_succeeds_and_reads_no_more(over, clock, read_head):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(OK)
        await trio.sleep_forever()

    await over.play(script)
    async with over.client(timeout=None) as client:
        assert (await client.post("/", content=bytes(LARGE))).text == "ok"
        assert "0 active, 0 idle" in repr(client)
    assert trio.current_time() < 1.5


@pytest.mark.slow
async def test_a_server_that_succeeds_and_reads_on_gets_it_all(over, read_head):
    async def script(stream):
        while head := await read_head(stream):
            await stream.send_all(OK)
            left = LARGE - len(head.partition(b"\r\n\r\n")[2])
            while left:
                left -= len(await stream.receive_some(min(left, 65536)))

    await over.play(script)
    async with over.client() as client:
        for _ in range(3):
            assert (await client.post("/", content=bytes(LARGE))).text == "ok"
            assert "0 active, 1 idle" in repr(client)


async def test_a_body_of_known_size_may_end_after_its_answer(over, read_head):
    """The iterator knows only after the answer that it has no more: all the same, nothing is missing."""
    answered, is_closed = trio.Event(), False

    async def body():
        nonlocal is_closed
        yield b"body"
        await answered.wait()
        is_closed = True

    async def script(stream):
        received = b""
        while not received.endswith(b"body"):
            received += await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await read_head(stream)

    await over.play(script)
    async with over.client() as client:
        async with client.stream("POST", "/", content=body(), headers={"Content-Length": "4"}) as response:
            assert response.status_code == 404
            answered.set()
        assert is_closed
        assert "0 active, 1 idle" in repr(client)


# ── the iterator of the caller ──────────────────────────────────────────────────────────────────────────────


async def failing(after):
    yield b"some"
    await after.wait()
    raise LookupError("no more")


async def test_an_iterator_that_fails_before_the_answer(over, read_head):
    async def script(stream):
        async for _ in stream:
            pass

    await over.play(script)
    after = trio.Event()
    after.set()
    async with over.client() as client:
        with pytest.raises(LookupError, match="no more"):
            await client.post("/", content=failing(after))
        assert "0 active, 0 idle" in repr(client)


async def test_an_iterator_that_fails_while_the_answer_is_read(over):
    await over.serve(echo)
    after = trio.Event()
    async with over.client() as client:
        with pytest.raises(LookupError, match="no more"):  # noqa: PT012
            async with client.stream("POST", "/", content=failing(after)) as response:
                async for piece in response.aiter_bytes():
                    assert piece == b"some"
                    after.set()
        assert "0 active, 0 idle" in repr(client)


async def test_an_iterator_that_fails_while_no_one_reads(over):
    await over.serve(echo)
    after = trio.Event()
    async with over.client() as client:
        with pytest.raises(LookupError, match="no more"):  # noqa: PT012
            async with client.stream("POST", "/", content=failing(after)):
                after.set()
                await trio.testing.wait_all_tasks_blocked()
        assert "0 active, 0 idle" in repr(client)


async def test_leaving_the_block_ends_the_upload(over):
    body = Endless()
    await over.serve(echo)
    async with over.client() as client:
        async with client.stream("POST", "/", content=body.pieces()):
            assert len(uploads()) == 1
        assert body.is_closed
        assert uploads() == []
        assert "0 active, 0 idle" in repr(client)


async def test_an_iterator_may_close_its_own_response(over):
    await over.serve(echo)
    entered = trio.Event()

    async def body():
        yield b"some"
        await entered.wait()
        await response.aclose()

    async with over.client() as client:
        async with client.stream("POST", "/", content=body()) as response:
            entered.set()
            await trio.testing.wait_all_tasks_blocked()
        assert "0 active, 0 idle" in repr(client)


@pytest.mark.parametrize("when", ["before the answer", "while it is read"])
async def test_cancelling_ends_the_upload(over, nursery, read_head, when):
    body, scope, is_asked = Endless(), trio.CancelScope(), trio.Event()

    async def script(stream):
        await read_head(stream)
        if when == "while it is read":
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        else:
            is_asked.set()
        await trio.sleep_forever()

    await over.play(script)
    async with over.client(timeout=None) as client:

        async def ask():
            with scope:
                async with client.stream("POST", "/", content=body.pieces()) as response:
                    is_asked.set()
                    await response.aread()

        nursery.start_soon(ask)
        await is_asked.wait()
        assert "1 active" in repr(client)
        assert len(uploads()) == 1
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert body.is_closed
        assert "0 active, 0 idle" in repr(client)


# ── timeouts ask for progress ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [bytes(LARGE), [bytes(LARGE)]], ids=["bytes", "one large piece"])
@pytest.mark.slow
async def test_a_slow_reader_meets_no_write_timeout(over, clock, body):
    async def script(stream):
        for _ in range(25):  # all in all two and a half times as long as the timeout
            left = 100_000
            while left:
                left -= len(await stream.receive_some(left))
            await trio.sleep(0.03)
        await stream.send_all(TOO_LARGE)
        await trio.sleep_forever()

    await over.play(script)
    async with over.client(timeout=minihttp.Timeout(2, write=0.3)) as client:
        assert (await client.post("/", content=body)).status_code == 413


@pytest.mark.slow
async def test_a_system_whose_sockets_are_no_files_has_http(over, monkeypatch):
    """Windows: os.read and os.write know no socket there, and there is no poll."""
    monkeypatch.setattr(streams, "read", streams.read_socket)
    monkeypatch.setattr(streams, "write", streams.write_socket)
    monkeypatch.delattr(select, "poll")

    async def echo(request):
        return minihttp.Response(200, content=await request.aread())

    await over.serve(echo)
    async with over.client() as client:
        for size in (5, 5_000_000, 5):
            assert (await client.post("/", content=bytes(size))).content == bytes(size)


@pytest.mark.slow
async def test_progress_that_the_kernel_does_not_report_counts(clock):
    """A Unix socket is reported writable when three quarters of its buffer are free: a slow reader takes long."""
    ours, theirs = trio.socket.socketpair()
    async with trio.SocketStream(ours) as stream, trio.SocketStream(theirs) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(Wire(stream.socket).send, bytes(1_000_000), 1)
        for _ in range(20):
            await trio.sleep(0.9)
            await peer.receive_some(40_000)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_server_that_takes_nothing_is_a_write_timeout(over, clock):
    async def script(stream):
        await stream.receive_some(1)
        await trio.sleep_forever()

    await over.play(script)
    async with over.client(timeout=minihttp.Timeout(9, write=2)) as client:
        for body in (bytes(LARGE), [bytes(LARGE)]):
            started = trio.current_time()
            with pytest.raises(minihttp.WriteTimeout, match="within 2 s"):
                await client.post("/", content=body)
            assert 2 <= trio.current_time() - started < 10  # the kernels take some more for a while
            assert "0 active, 0 idle" in repr(client)


@pytest.mark.slow
async def test_a_slow_iterator_is_no_read_timeout(over, clock):
    async def body():
        for _ in range(3):
            yield b"x"
            await trio.sleep(60)

    async def script(stream):
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += await stream.receive_some()
        await stream.send_all(OK)

    await over.play(script)
    async with over.client(timeout=minihttp.Timeout(5, read=3)) as client:
        assert (await client.post("/", content=body())).text == "ok"


@pytest.mark.slow
async def test_the_time_to_answer_begins_when_all_is_sent(over, clock):
    async def body():
        yield b"x"
        await trio.sleep(60)
        yield b"y"

    async def script(stream):
        async for _ in stream:
            pass

    await over.play(script)
    async with over.client(timeout=minihttp.Timeout(5, read=3)) as client:
        started = trio.current_time()
        with pytest.raises(minihttp.ReadTimeout, match="within 3 s"):
            await client.post("/", content=body())
        assert trio.current_time() - started == pytest.approx(63, abs=0.2)


async def test_a_server_silent_in_a_conversation_is_a_read_timeout(over, clock, read_head):
    async def body():
        yield b"question"
        await trio.sleep_forever()

    async def script(stream):
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        async for _ in stream:
            pass

    await over.play(script)
    async with over.client(timeout=minihttp.Timeout(5, read=3)) as client:
        started = trio.current_time()
        with pytest.raises(minihttp.ReadTimeout, match="within 3 s"):
            await client.post("/", content=body())
        assert trio.current_time() - started == pytest.approx(3, abs=0.2)


# ── a turn for others ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_others_run_between_single_octets(over, turns_of_others):
    """Over TLS each is a record of its own, and thousands of them come in one read."""

    async def script(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        for _ in range(10_000):
            await stream.send_all(b"x")

    await over.play(script)
    async with over.client() as client:
        turns = await turns_of_others(client.get("/"))
    assert turns > (10_000 / STEPS if over.kind == "tls" else 0)
