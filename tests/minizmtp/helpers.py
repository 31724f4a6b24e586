"""What the tests of the trio layer share: a peer made by hand, pairs of sockets, a cancellation at any checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

import minizmtp as zmq
from minizmtp import Event
from tests.ports import free_port

TRANSPORTS = ["tcp://127.0.0.1:*", "ipc://*", "inproc://here"]
WIRES = TRANSPORTS[:2]


def free_endpoint() -> str:
    """A tcp endpoint without a listener."""
    return f"tcp://127.0.0.1:{free_port()}"


async def until(monitor: zmq.Monitor, event: Event) -> zmq.MonitorEvent:
    """The next event of this kind; those before it are passed over."""
    async for told in monitor:
        if told.event is event:
            return told
    raise AssertionError(f"the monitor ended before {event!r}")


async def pair(
    ctx: zmq.Context, one: zmq.SocketType, other: zmq.SocketType, endpoint: str = TRANSPORTS[0], **options: Any
) -> tuple[zmq.Socket, zmq.Socket]:
    """Two sockets: one bound at endpoint and other connected to it, the handshake done."""
    bound = ctx.socket(one, **({"linger": 0} | options))
    connected = ctx.socket(other, **({"linger": 0} | options))
    bound.bind(endpoint)
    if endpoint.startswith("inproc"):
        connected.connect(endpoint)
    else:
        here, there = bound.monitor(), connected.monitor()
        connected.connect(bound.last_endpoint)
        await until(here, Event.HANDSHAKE_SUCCEEDED)
        await until(there, Event.HANDSHAKE_SUCCEEDED)
    return bound, connected


async def receive_all(sock: zmq.Socket, quiet: float = 0.05) -> list[list[bytes]]:
    """What is to be had, until nothing has come for `quiet` seconds."""
    found = []
    while await sock.poll(quiet * 1000):
        found.append(await sock.recv_multipart(zmq.NOBLOCK))
    return found


# ------------------------------------------------------------------------------------------------------- the knife

CUT = object()


class _Knife(trio.abc.Instrument):
    def __init__(self, scope: trio.CancelScope, step: int, late: bool) -> None:
        self.scope, self.step, self.late = scope, step, late
        self.task = trio.lowlevel.current_task()
        self.passed = 0

    def _pass(self, task: trio.lowlevel.Task) -> None:
        if task is self.task:
            self.passed += 1
            if self.passed == self.step:
                self.scope.cancel()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.late:
            self._pass(task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.late:
            self._pass(task)


async def cut_at(step: int, late: bool, operation: Callable[[], Awaitable[Any]]) -> Any:
    """Run operation and cancel it at its step-th checkpoint: while it waits there (late), or when what it waited for
    has come and it is about to go on. Step 0: before it begins. CUT, or what it gives when it was done before."""
    with trio.CancelScope() as scope:
        knife = _Knife(scope, step, late)
        trio.lowlevel.add_instrument(knife)
        if not step:
            scope.cancel()
        try:
            return await operation()
        finally:
            trio.lowlevel.remove_instrument(knife)
    return CUT


def cuts(late: bool) -> Iterator[tuple[int, list[Any]]]:
    """Steps 0, 1, 2 … and a list for what came of each; ends after the first that was not CUT."""
    step = 0
    while True:
        results: list[Any] = []
        yield step, results
        assert results, "put the result of cut_at into the list"
        if results[-1] is not CUT:
            assert step > 0, "the knife never cut: this proves nothing"
            return
        step += 1
        assert step < 200


@contextmanager
def logged(caplog: Any, level: int = logging.WARNING) -> Iterator[list[str]]:
    """What the library logs meanwhile, at level or above."""
    words: list[str] = []
    caplog.clear()
    with caplog.at_level(level, logger="minizmtp"):
        yield words
    words += [record.getMessage() for record in caplog.records if record.levelno >= level]
