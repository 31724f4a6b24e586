"""A request is answered though its server dies."""

from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import minizmtp as zmq
from examples.lazy_pirate import Unanswered, ask, serve, upper


class Killed(Exception):
    """What ends a server at a message of our choice."""


class Server:
    """Answers in upper case, and remembers what it was asked; dies at the request `dies_at` (the first is 1)."""

    def __init__(self, dies_at: int = 0) -> None:
        self.dies_at = dies_at
        self.asked: list[bytes] = []

    def answer(self, request: list[bytes]) -> list[bytes]:
        self.asked.append(request[0])
        if len(self.asked) == self.dies_at:
            raise Killed
        return upper(request)

    async def run(self, ctx: zmq.Context, endpoint: str) -> None:
        with suppress(Killed):
            await serve(ctx, endpoint, self.answer)


@pytest.fixture(params=["inproc", "ipc"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One that another server can take after the first."""
    return "inproc://server" if request.param == "inproc" else f"ipc://{tmp_path}/server"


@pytest.mark.requirement("L-34")
@pytest.mark.parametrize("dies_at", [1, 2, 3])
@pytest.mark.slow
async def test_a_server_dies_at_any_request(endpoint: str, dies_at: int, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        first, second = Server(dies_at), Server()

        async def two_servers() -> None:
            await first.run(ctx, endpoint)
            await trio.sleep(1.2)
            await second.run(ctx, endpoint)

        nursery.start_soon(two_servers)
        began = trio.current_time()
        words = [b"one", b"two", b"three"]
        answers = [await ask(ctx, endpoint, [word], patience=0.5) for word in words]
        took = trio.current_time() - began
        nursery.cancel_scope.cancel()
    assert answers == [[b"ONE"], [b"TWO"], [b"THREE"]]
    assert first.asked == words[:dies_at]
    assert second.asked == words[dies_at - 1 :]
    assert 1.2 <= took < 2


async def test_without_a_server_the_question_is_unanswered(endpoint: str, quick_clock: MockClock) -> None:
    async with zmq.Context() as ctx:
        began = trio.current_time()
        with pytest.raises(Unanswered, match=r"no answer to .* in 4 attempts of 0.5 s"):
            await ask(ctx, endpoint, [b"hello"], patience=0.5, attempts=4)
        assert trio.current_time() - began == pytest.approx(2.0, abs=0.1)


@pytest.mark.requirement("L-6")
async def test_attempts_leave_nothing_behind(endpoint: str, quick_clock: MockClock) -> None:
    """A server that comes after many attempts is asked once. With one relaxed REQ for all of them, as the chapter says,
    it would be asked by each attempt."""
    server = Server()
    async with zmq.Context() as ctx, trio.open_nursery() as nursery:
        for _ in range(3):
            with pytest.raises(Unanswered):
                await ask(ctx, endpoint, [b"once"], patience=0.5, attempts=1)
        relaxed = ctx.socket(zmq.REQ, req_relaxed=1, req_correlate=1, linger=0)
        relaxed.connect(endpoint)
        for _ in range(3):
            await relaxed.send(b"each time")
        nursery.start_soon(server.run, ctx, endpoint)
        assert await ask(ctx, endpoint, [b"once"]) == [b"ONCE"]
        assert await relaxed.recv() == b"EACH TIME"
        nursery.cancel_scope.cancel()
    assert sorted(server.asked) == [b"each time"] * 3 + [b"once"]


async def test_work_may_be_done_twice(endpoint: str, quick_clock: MockClock) -> None:
    """The server dies between the work and the answer: the next one does the work again."""
    done: list[bytes] = []

    async def dies_before_it_answers() -> None:
        async with ctx.socket(zmq.REP) as rep:
            rep.bind(endpoint)
            done.append(await rep.recv())

    async with zmq.Context() as ctx, trio.open_nursery() as nursery:

        async def two_servers() -> None:
            await dies_before_it_answers()
            server = Server()
            server.asked = done
            await server.run(ctx, endpoint)

        nursery.start_soon(two_servers)
        assert await ask(ctx, endpoint, [b"work"]) == [b"WORK"]
        nursery.cancel_scope.cancel()
    assert done == [b"work", b"work"]
