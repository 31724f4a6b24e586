"""The screen shows what it can, and does not hold up the relay."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from minizmtp.tap.screen import BACKLOG, Screen

PIPE_HOLDS = 1 << 20  # at most, on Linux


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


@asynccontextmanager
async def showing(screen: Screen) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.run)
        with trio.fail_after(10):
            yield
            screen.finish()


async def read_until(end: int, words: bytes) -> bytes:
    got = b""
    while words not in got:
        await trio.lowlevel.wait_readable(end)
        got += os.read(end, 65536)
    return got


async def test_text_is_shown(pipe: list[int]) -> None:
    screen = Screen(pipe[1])
    async with showing(screen):
        screen.say("grün ")
        screen.say("und blau")
        assert await read_until(pipe[0], b"blau") == "grün und blau".encode()


async def test_a_letter_missing_in_the_encoding_is_a_question_mark(pipe: list[int]) -> None:
    screen = Screen(pipe[1], "ascii")
    async with showing(screen):
        screen.say("→ grün.")
        assert await read_until(pipe[0], b".") == b"? gr?n."


async def test_a_stalled_reader_sees_how_much_it_missed(pipe: list[int]) -> None:
    screen = Screen(pipe[1])
    async with showing(screen):
        said = skipped = 0
        while said < BACKLOG + PIPE_HOLDS + 2000:
            screen.say("x" * 999 + "\n")
            said += 1000
            await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        assert screen.is_full
        for _ in range(5):
            screen.skip(100)
            skipped += 100
        got = await read_until(pipe[0], b"not shown")
        assert got.count(b"\n") > BACKLOG // 1000
        assert b"500 octets passed meanwhile" in got
        assert not screen.is_full
        screen.say("back again")
        await read_until(pipe[0], b"back again")


async def test_a_reader_that_leaves_is_no_error(pipe: list[int]) -> None:
    screen = Screen(pipe[1])
    copy = os.dup(pipe[1])
    os.dup2(copy, pipe[0])  # the only reading end is gone
    os.close(copy)
    async with showing(screen):
        screen.say("hello")
        await wait_all_tasks_blocked()
        assert screen.is_full  # so that lines that are not shown are not formatted
        screen.say("is it read?")


async def test_a_file_on_a_disk_is_written_at_once() -> None:
    with tempfile.TemporaryFile() as file:
        screen = Screen(file.fileno())
        async with showing(screen):
            for number in range(10_000):
                screen.say(f"line {number}\n")
        file.seek(0)
        assert file.read().splitlines()[-1] == b"line 9999"


async def test_what_cannot_be_waited_for_is_written_at_once(pipe: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows waits for sockets only."""

    async def not_a_socket(fd: int) -> None:
        raise OSError(10038, "An operation was attempted on something that is not a socket")

    monkeypatch.setattr(trio.lowlevel, "wait_writable", not_a_socket)
    screen = Screen(pipe[1])
    async with showing(screen):
        screen.say("hello")
        assert await read_until(pipe[0], b"hello") == b"hello"
