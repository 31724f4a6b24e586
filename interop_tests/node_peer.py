"""A peer in Node: npm's zeromq, which is libzmq with WebSockets and draft sockets, or jszmq, which runs in browsers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import trio

DRIVER = Path(__file__).with_name("node_peer.js")


@cache
def why_missing(library: str) -> str:
    """Why the tests with this library can't run here, or ""."""
    node = shutil.which("node")
    if node is None:
        return "needs node"
    found = subprocess.run([node, "-e", f"require('{library}')"], capture_output=True, timeout=60, check=False)
    if found.returncode:
        packages = "jszmq ws@7" if library == "jszmq" else library  # it does not name the ws that it needs
        return f"needs npm's {library}: `npm install {packages}` in some folder, and NODE_PATH=that folder/node_modules"
    return ""


class NodePeer:
    """One socket in Node. Each method waits for Node's answer."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._arrived = trio.Condition()

    async def listen(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        async for chunk in self._process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                answer = json.loads(line)
                async with self._arrived:
                    self._answers[answer["number"]] = answer
                    self._arrived.notify_all()

    async def ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._number = number = self._number + 1
        await self._process.stdin.send_all(json.dumps({"number": number, "do": do, **request}).encode() + b"\n")
        async with self._arrived:
            while number not in self._answers:
                await self._arrived.wait()
        answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer

    async def bind(self, endpoint: str) -> str:
        return str((await self.ask("bind", endpoint=endpoint))["endpoint"])

    async def connect(self, endpoint: str) -> None:
        await self.ask("connect", endpoint=endpoint)

    async def subscribe(self, prefix: bytes) -> None:
        await self.ask("subscribe", prefix=prefix.hex())

    async def send(self, *frames: bytes) -> None:
        await self.ask("send", frames=[frame.hex() for frame in frames])

    async def receive(self) -> list[bytes]:
        return [bytes.fromhex(frame) for frame in (await self.ask("receive"))["frames"]]


@asynccontextmanager
async def node_peer(
    library: str, kind: str, command: Sequence[str] = ("node", "--no-warnings", str(DRIVER)), **options: Any
) -> AsyncIterator[NodePeer]:
    """A socket of this kind in a process of its own. command: starts the driver."""
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
        )
        peer = NodePeer(process)
        nursery.start_soon(peer.listen)
        try:
            await peer.ask("make", library=library, type=kind, options=options)
            yield peer
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()
