"""The rivals: how each makes sockets, sends, receives, waits, and runs tasks concurrently.

    mini           minizmtp, on trio
    pyzmq          libzmq with blocking calls
    zmq.asyncio    libzmq with pyzmq's asyncio interface
    zmq-anyio      libzmq with zmq-anyio on trio; its futures are awaited directly
    raw            the floor: a bare trio stream without a protocol (see `floor`)

A role uses an `End`, which is one end of a run.  Its sockets are closed when the role ends.
"""

import ast
import asyncio
import gc
import importlib.util
import shutil
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from types import ModuleType, SimpleNamespace
from typing import Any

import trio

import minizmtp

from . import floor, idle, roles
from .ends import End, Work

# ── blocking: the same source without async and await ───────────────────────────────────────────────────────────────


class WithoutAsync(ast.NodeTransformer):
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        fields = {name: getattr(node, name) for name in ast.FunctionDef._fields if hasattr(node, name)}
        return ast.copy_location(ast.FunctionDef(**fields), node)

    def visit_Await(self, node: ast.Await) -> ast.expr:
        self.generic_visit(node)
        return node.value


@cache
def blocking(name: str) -> ModuleType:
    """A module of this package, converted to blocking calls."""
    spec = importlib.util.find_spec(f"{__package__}.{name}")
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        tree = WithoutAsync().visit(ast.parse(file.read()))
    module = importlib.util.module_from_spec(spec)
    exec(compile(tree, spec.origin, "exec"), vars(module))
    return module


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class TrioEnd(End):
    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def together(self, functions: Iterable[Callable[[], Any]]) -> list[Any]:
        functions = list(functions)
        results = [None] * len(functions)

        async def one(index: int, function: Callable[[], Any]) -> None:
            results[index] = await function()

        async with trio.open_nursery() as nursery:
            for index, function in enumerate(functions):
                nursery.start_soon(one, index, function)
        return results


class MiniEnd(TrioEnd):
    async def socket(self, kind: str, **options: Any) -> Any:
        return self.shared["context"].socket(getattr(minizmtp, kind), linger=0, **options)


class BlockingEnd(blocking("ends").End):  # type: ignore[misc]
    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def told(self) -> str:
        return self.pipe.recv()  # type: ignore[no-any-return]


class PyzmqEnd(BlockingEnd):
    def socket(self, kind: str, **options: Any) -> Any:
        return zmq_socket(self.shared["context"].socket, kind, options)


class AsyncioEnd(End):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def together(self, functions: Iterable[Callable[[], Any]]) -> list[Any]:
        return await asyncio.gather(*[function() for function in functions])

    async def socket(self, kind: str, **options: Any) -> Any:
        return zmq_socket(self.shared["context"].socket, kind, options)


class AnyioEnd(TrioEnd):
    async def socket(self, kind: str, **options: Any) -> Any:
        import zmq_anyio

        make = partial(zmq_anyio.Socket, self.shared["context"], task_group=self.shared["tasks"])
        sock = zmq_socket(make, kind, options)
        await sock.start()
        self.shared["open"].append(sock)
        return sock

    def sender(self, sock: Any, several: bool = False, many: bool = False) -> Any:
        return sock.asend_multipart if several else sock.asend

    def receiver(self, sock: Any, several: bool = False, many: bool = False) -> Any:
        return sock.arecv_multipart if several else sock.arecv

    async def close(self, sock: Any) -> None:
        self.shared["open"].remove(sock)
        await sock.stop()


def zmq_socket(make: Callable[[int], Any], kind: str, options: dict[str, Any]) -> Any:
    import zmq

    sock = make(getattr(zmq, kind))
    for name, value in {"linger": 0, **options}.items():
        setattr(sock, name, value)
    return sock


# ── running the roles of one process ────────────────────────────────────────────────────────────────────────────────

Parts = list[tuple[Callable[..., Any], Any]]  # each role with its end


async def play(role: Callable[[End], Awaitable[Any]], end: End) -> None:
    end.pipe.send(("done", await role(end)))


def run_trio(parts: Parts, shared: dict[str, Any]) -> None:
    async def main() -> None:
        await parts[0][1].together([partial(play, *part) for part in parts])

    trio.run(main)


def run_mini(parts: Parts, shared: dict[str, Any]) -> None:
    async def main() -> None:
        async with minizmtp.Context() as shared["context"]:
            await parts[0][1].together([partial(play, *part) for part in parts])

    trio.run(main)


def run_asyncio(parts: Parts, shared: dict[str, Any]) -> None:
    import zmq.asyncio

    async def main() -> None:
        shared["context"] = zmq.asyncio.Context()
        await parts[0][1].together([partial(play, *part) for part in parts])
        shared["context"].destroy(linger=0)

    asyncio.run(main())


def run_anyio(parts: Parts, shared: dict[str, Any]) -> None:
    import anyio
    import zmq

    async def main() -> None:
        shared["context"], shared["open"] = zmq.Context(), []
        async with anyio.create_task_group() as shared["tasks"]:
            await parts[0][1].together([partial(play, *part) for part in parts])
            for sock in shared["open"]:
                await sock.stop()
            shared["tasks"].cancel_scope.cancel()
        shared["context"].destroy(linger=0)

    trio.run(main)


def run_blocking(parts: Parts, shared: dict[str, Any]) -> None:
    """Run each role in its own thread, if there is more than one."""

    def one(role: Callable[[Any], Any], end: Any) -> None:
        try:
            end.pipe.send(("done", role(end)))
        except Exception:
            end.pipe.send(("error", traceback.format_exc()))

    threads = [threading.Thread(target=one, args=part, daemon=True) for part in parts[1:]]
    for thread in threads:
        thread.start()
    one(*parts[0])
    for thread in threads:
        thread.join()


def run_pyzmq(parts: Parts, shared: dict[str, Any]) -> None:
    import zmq

    shared["context"] = zmq.Context()
    run_blocking(parts, shared)
    shared["context"].destroy(linger=0)


@dataclass(frozen=True)
class Rival:
    needs: tuple[str, ...]  # modules
    end: Callable[..., Any]
    run: Callable[[Parts, dict[str, Any]], None]
    roles: ModuleType | SimpleNamespace


# minizmtp sends and receives many messages with one call; its rivals send and receive them one by one.
one_by_one = SimpleNamespace(**vars(roles))
blocking_roles = blocking("roles")
for many in ("subscribers", "dealers"):  # because the other rivals have a task for each socket
    setattr(blocking_roles, many, getattr(blocking_roles, f"{many}_in_turn"))
for scene in (one_by_one, blocking_roles):
    for role in ("pull", "push", "publish", "subscribers", "route", "dealers"):
        setattr(scene, f"{role}_many", getattr(scene, role))

RIVALS = {
    "mini": Rival(("minizmtp",), MiniEnd, run_mini, roles),
    "pyzmq": Rival(("zmq",), PyzmqEnd, run_pyzmq, blocking_roles),
    "zmq.asyncio": Rival(("zmq",), AsyncioEnd, run_asyncio, one_by_one),
    "zmq-anyio": Rival(("zmq", "zmq_anyio"), AnyioEnd, run_anyio, one_by_one),
    "raw": Rival(("trio",), TrioEnd, run_trio, floor),
}
# The plain sockets at the other end, if that isn't the rival's.
OTHERS = {**RIVALS, "plain": Rival((), BlockingEnd, run_blocking, idle)}


def installed() -> list[str]:
    """The rivals that are installed."""
    return [name for name, rival in RIVALS.items() if all(importlib.util.find_spec(need) for need in rival.needs)]


def run(name: str, cast: list[str], work: Work, pipes: list[Connection]) -> None:
    """Run the roles of one process; the result of each goes into its pipe."""
    rival = OTHERS[name]
    shared: dict[str, Any] = {}
    parts = [
        (getattr(rival.roles, role), rival.end(work, pipe, shared)) for role, pipe in zip(cast, pipes, strict=False)
    ]
    try:
        rival.run(parts, shared)
    finally:
        if "folder" in shared:
            shutil.rmtree(shared["folder"])
        parts.clear()
        shared.clear()
        gc.collect()  # so that it doesn't run during the next run
