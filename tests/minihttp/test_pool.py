"""The pool: places are never exceeded, never lost, and given out in order."""

import random
import ssl

import pytest
import trio
import trio.testing
import trustme

import minihttp
from minihttp.pool import Pool

A, B = ("http", "a.example", 80), ("http", "b.example", 80)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def hello(request):
    return minihttp.Response(200, content="hello")


def counts(client) -> str:
    return repr(client).partition("<Pool: ")[2].rstrip(">")


# ── deciding, without any I/O ───────────────────────────────────────────────────────────────────────────────


def test_places_count_over_all_origins():
    pool = Pool(minihttp.Limits(max_connections=2))
    one, two = pool._decide(A), pool._decide(B)
    assert one is not None
    assert two is not None
    assert pool._decide(A) is None
    pool.drop(one)
    assert pool._decide(A) is not None


async def test_waiters_are_served_first_come_first_served(nursery):
    pool = Pool(minihttp.Limits(max_connections=1))
    order = []

    async def want(name, origin):
        connection = await pool._acquire(origin, None)
        order.append(name)
        pool.drop(connection)

    first = await pool._acquire(A, None)
    for name, origin in enumerate([B, A, B, A, A]):
        nursery.start_soon(want, name, origin)
        await trio.testing.wait_all_tasks_blocked()
    pool.drop(first)
    await trio.testing.wait_all_tasks_blocked()
    assert order == [0, 1, 2, 3, 4]


async def test_a_new_request_does_not_overtake_a_waiting_one(nursery):
    pool = Pool(minihttp.Limits(max_connections=1))
    first = await pool._acquire(A, None)
    nursery.start_soon(pool._acquire, B, None)
    await trio.testing.wait_all_tasks_blocked()
    pool.drop(first)  # the place is the waiter's from now on, although it has not run yet
    with trio.move_on_after(0) as scope:
        await pool._acquire(A, None)
    assert scope.cancelled_caught
    assert repr(pool) == "<Pool: 1 active, 0 idle, 0 waiting>"


async def test_a_waiter_that_gives_up_leaves_nothing_behind(nursery):
    pool = Pool(minihttp.Limits(max_connections=1))
    first = await pool._acquire(A, None)
    with trio.CancelScope() as scope:
        nursery.start_soon(trio.testing.wait_all_tasks_blocked)
        scope.cancel()
        await pool._acquire(A, None)
    pool.drop(first)
    assert repr(pool) == "<Pool: 0 active, 0 idle, 0 waiting>"


async def test_a_slot_given_to_a_cancelled_waiter_is_not_lost(nursery):
    pool = Pool(minihttp.Limits(max_connections=1))
    first = await pool._acquire(A, None)
    scope = trio.CancelScope()
    outcome = []

    async def wait():
        with scope:
            outcome.append(await pool._acquire(A, None))

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    pool.drop(first)
    scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    for connection in outcome:  # it got it after all: then it is its to give back
        pool.drop(connection)
    assert repr(pool) == "<Pool: 0 active, 0 idle, 0 waiting>"


def test_deciding_costs_the_same_however_many_wait():
    async def main(waiting: int) -> int:
        steps = 0
        pool = Pool(minihttp.Limits(max_connections=1))
        decide = pool._decide

        def counted(origin):
            nonlocal steps
            steps += 1
            return decide(origin)

        connection = await pool._acquire(A, None)
        async with trio.open_nursery() as nursery:
            for _ in range(waiting):
                nursery.start_soon(pool._acquire, A, None)
            await trio.testing.wait_all_tasks_blocked()
            pool._decide = counted
            pool.drop(connection)
            nursery.cancel_scope.cancel()
        return steps

    assert trio.run(main, 10) == trio.run(main, 1000)


# ── on real sockets ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
async def test_max_connections_holds_under_thousands_of_requests(start_server):
    now = most = 0

    async def count(request):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.lowlevel.checkpoint()
        now -= 1
        return minihttp.Response(204)

    limits = minihttp.Limits(max_connections=7)
    async with minihttp.AsyncClient(base_url=await start_server(count), limits=limits, timeout=None) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(2000):
                nursery.start_soon(client.get, "/")
        assert most <= 7
        assert counts(client) == "0 active, 7 idle, 0 waiting"


async def test_idle_ones_beyond_the_limit_are_closed(start_server):
    limits = minihttp.Limits(max_connections=5, max_keepalive_connections=2)
    async with minihttp.AsyncClient(base_url=await start_server(hello), limits=limits) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(client.get, "/")
        assert counts(client) == "0 active, 2 idle, 0 waiting"


async def test_idle_ones_expire(start_server, mock_clock):
    used = set()
    limits = minihttp.Limits(keepalive_expiry=5)
    async with minihttp.AsyncClient(base_url=await start_server(hello), limits=limits) as client:
        for pause in (0, 4.9, 5.1):
            mock_clock.jump(pause)
            await client.get("/")
            used.update(client._pool._idle)
            assert counts(client) == "0 active, 1 idle, 0 waiting"
    assert len(used) == 2


async def test_an_idle_connection_to_elsewhere_makes_room(start_server):
    urls = [await start_server(hello), await start_server(hello)]
    async with minihttp.AsyncClient(limits=minihttp.Limits(max_connections=1)) as client:
        for url in urls * 2:
            assert (await client.get(url)).text == "hello"
            assert counts(client) == "0 active, 1 idle, 0 waiting"


async def test_a_connection_closed_while_idle_is_noticed(start_script, read_head):
    async def once(stream):
        await read_head(stream)
        await stream.send_all(OK)

    async with minihttp.AsyncClient(base_url=await start_script(once)) as client:
        for _ in range(3):
            assert (await client.post("/")).text == "ok"
            await trio.testing.wait_all_tasks_blocked(0.001)  # the server closes


@pytest.fixture
async def forgetful(start_script, read_head):
    """A server that reads the second request of each connection and hangs up; it counts what it reads."""
    seen = []

    async def script(stream):
        seen.append(await read_head(stream))
        await stream.send_all(OK)
        seen.append(await read_head(stream))

    return await start_script(script), seen


@pytest.mark.parametrize("method", ["GET", "PUT", "QUERY"])
async def test_an_idempotent_request_is_retried_once_after_a_close(forgetful, method):
    """A server may close an idle connection just as the request is sent, so the request is sent again, once."""
    url, seen = forgetful
    async with minihttp.AsyncClient(base_url=url) as client:
        assert (await client.get("/1")).text == "ok"
        assert (await client.request(method, "/2")).text == "ok"
    assert [head.split()[1] for head in seen if head] == [b"/1", b"/2", b"/2"]


async def test_any_other_request_is_never_sent_again(forgetful):
    url, seen = forgetful
    async with minihttp.AsyncClient(base_url=url) as client:
        assert (await client.post("/1")).text == "ok"
        with pytest.raises(minihttp.TransportError):
            await client.post("/2")
    assert [head.split()[1] for head in seen if head] == [b"/1", b"/2"]


async def test_a_used_up_body_is_never_sent_again(forgetful):
    url, _ = forgetful

    async with minihttp.AsyncClient(base_url=url) as client:
        await client.get("/1")
        with pytest.raises(minihttp.TransportError):
            await client.put("/2", content=iter([b""]))


async def test_a_request_fails_once_a_new_connection_closes_as_well(start_script, read_head):
    """There is no second retry, because a new connection that closes is not a race with an idle timeout."""
    seen = []

    async def script(stream):
        seen.append(await read_head(stream))

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        with pytest.raises(minihttp.RemoteProtocolError, match="without a response"):
            await client.get("/")
    assert len(seen) == 1


async def test_octets_left_over_are_never_the_next_response(start_script, answering):
    smuggled = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with minihttp.AsyncClient(base_url=await start_script(answering(smuggled))) as client:
        for _ in range(3):
            assert (await client.get("/")).text == "ok"
            assert counts(client) == "0 active, 0 idle, 0 waiting"


async def test_octets_that_come_late_end_the_idle_connection(start_script, read_head):
    async def script(stream):
        await read_head(stream)
        await stream.send_all(OK)
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await read_head(stream)

    async with minihttp.AsyncClient(base_url=await start_script(script)) as client:
        for _ in range(3):
            assert (await client.get("/")).text == "ok"
            await trio.testing.wait_all_tasks_blocked(0.001)


async def test_closing_the_client_ends_all_waiting_requests(start_server, nursery):
    async def never(request):
        await trio.sleep_forever()

    failures = []
    client = minihttp.AsyncClient(base_url=await start_server(never), limits=minihttp.Limits(max_connections=1))

    async def ask():
        try:
            await client.get("/")
        except (minihttp.ReadError, RuntimeError) as error:
            failures.append(type(error))

    for _ in range(3):
        nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert counts(client) == "1 active, 0 idle, 2 waiting"
    await client.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(failures, key=str) == sorted([minihttp.ReadError, RuntimeError, RuntimeError], key=str)
    assert counts(client) == "0 active, 0 idle, 0 waiting"


async def test_a_finished_body_keeps_its_connection_an_early_close_not(start_script, answering):
    """Closing a body early frees its slot in the pool; a finished body leaves its connection to the next request."""
    url = await start_script(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
    async with minihttp.AsyncClient() as client:
        async with client.stream("GET", url):
            assert counts(client) == "1 active, 0 idle, 0 waiting"
        assert counts(client) == "0 active, 0 idle, 0 waiting"
        async with client.stream("GET", await start_script(answering(OK))):
            pass  # not read, but all of it was here
        assert counts(client) == "0 active, 1 idle, 0 waiting"


# ── cancelling ──────────────────────────────────────────────────────────────────────────────────────────────


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when one task, or one that sends for it, goes to sleep for the nth time."""

    def __init__(self, n: int) -> None:
        self.left = n
        self.scope = trio.CancelScope()
        self.task: object = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.task is not None and (task is self.task or "minihttp upload" in task.name):
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


async def cancelled_at_each_step(action, check) -> int:
    """Run `action` again and again, cancelled at its first, second, … step, until it comes through."""
    for n in range(1, 1000):
        instrument = CancelAtStep(n)
        trio.lowlevel.add_instrument(instrument)

        async def run(instrument=instrument):
            instrument.task = trio.lowlevel.current_task()
            with instrument.scope:
                await action()
                instrument.task = None

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
        trio.lowlevel.remove_instrument(instrument)
        await check()
        if not instrument.scope.cancelled_caught:
            return n
    raise AssertionError("never came through")


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept alive"])
@pytest.mark.slow
async def test_cancelling_at_any_step_leaves_no_place_taken(start_server, warm, secure):
    ours = theirs = None
    if secure:
        authority = trustme.CA()
        ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.configure_trust(ours)
        authority.issue_cert("127.0.0.1").configure_cert(theirs)

    async def echo(request):
        return minihttp.Response(200, content=await request.aread())

    async def body():
        yield b"a" * 100
        await trio.lowlevel.checkpoint()
        yield b"b" * 100

    url = await start_server(echo, ssl_context=theirs)
    limits = minihttp.Limits(max_connections=1, max_keepalive_connections=1 if warm else 0)
    url = url.replace("http", "https") if secure else url
    async with minihttp.AsyncClient(base_url=url, limits=limits, verify=ours or True) as client:

        async def action():
            assert len((await client.post("/", content=body())).content) == 200

        async def check():
            assert counts(client).startswith("0 active")
            assert counts(client).endswith("0 waiting")
            if warm:
                await client.get("/")  # and it serves the next request

        assert await cancelled_at_each_step(action, check) > 5


@pytest.mark.parametrize("slowness", [0, 0.001, 0.01])
@pytest.mark.slow
async def test_a_storm_of_cancelled_requests_leaves_the_pool_whole(start_server, slowness):
    """On the real clock, because only there a deadline passes in the turn in which a place becomes free."""
    chance = random.Random(1)
    asked = cancelled = 0

    async def slow(request):
        await trio.sleep(chance.uniform(0, slowness))
        return minihttp.Response(200, content="ok")

    limits = minihttp.Limits(max_connections=10)
    async with minihttp.AsyncClient(base_url=await start_server(slow), limits=limits, timeout=None) as client:

        async def worker():
            nonlocal asked, cancelled
            while asked < 5000:
                asked += 1
                with trio.move_on_after(chance.uniform(0, 0.002 + 3 * slowness)) as scope:
                    await client.get("/")
                cancelled += scope.cancelled_caught

        with trio.move_on_after(5):
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(worker)
        assert cancelled > 100
        assert counts(client).startswith("0 active")
        assert counts(client).endswith("0 waiting")
        served = 0
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:

                async def ask():
                    nonlocal served
                    assert (await client.get("/")).text == "ok"
                    served += 1

                for _ in range(20):
                    nursery.start_soon(ask)
        assert served == 20


@pytest.mark.parametrize("kept", [False, True], ids=["to be opened", "kept alive"])
async def test_a_place_given_to_a_cancelled_waiter_goes_to_the_next(start_server, nursery, kept):
    """A cancelled task stands in the queue until it runs again: the place that it is given meanwhile is taken back."""
    limits = minihttp.Limits(max_connections=1)
    async with minihttp.AsyncClient(base_url=await start_server(hello), limits=limits) as client:
        pool, scope, served = client._pool, trio.CancelScope(), []
        if kept:
            await client.get("/")
        first = await pool._acquire(("http", "127.0.0.1", int(str(client.base_url).rpartition(":")[2])), None)

        async def wait(name, own):
            with own:
                served.append((name, (await client.get("/")).text))

        nursery.start_soon(wait, "cancelled", scope)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(wait, "next", trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        pool._take_back(first)
        with trio.fail_after(5):
            while not served:
                await trio.lowlevel.checkpoint()
        assert served == [("next", "hello")]
        assert counts(client) == "0 active, 1 idle, 0 waiting"
        assert (first in pool._idle) is kept  # a good connection is not thrown away
