"""On systems that have less than Linux: what works all the same, and what says what it needs.

The programs run in a process of their own, from which is taken what Python does not have on Windows or on macOS. What
the systems do otherwise can only be tested on them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = {
    "Windows": """
import sys
import trio
sys.modules["fcntl"] = sys.modules["termios"] = None
sys.platform, MISSING = "win32", {"AF_UNIX", "SO_REUSEADDR"}
""",
    "macOS": """
import sys
import trio
sys.platform, MISSING = "darwin", {}
""",
}

TALK = """
import minizmtp as zmq
import socket, types
from minizmtp.net import addresses, portable, transports
from minizmtp.net.portable import TaskReactor

sys.platform = "linux"  # trio itself runs on the system that is here, so nothing is taken from its modules
portable.select = None
for module in (addresses, transports):
    module.socket = types.SimpleNamespace(**{name: it for name, it in vars(socket).items() if name not in MISSING})

PUBLIC, SECRET = zmq.curve_keypair()
SECURITY = {"curve_server": 1, "curve_secretkey": SECRET}, {
    "curve_serverkey": PUBLIC, "curve_publickey": PUBLIC, "curve_secretkey": SECRET
}

async def talk(endpoint, *options):
    server, client = options or ({}, {})
    async with zmq.Context() as ctx:
        rep, req = ctx.socket(zmq.REP, **server), ctx.socket(zmq.REQ, **client)
        rep.bind(endpoint)
        req.connect(rep.last_endpoint)
        assert isinstance(ctx._runtime.reactor, TaskReactor)
        for size in (5, 70_000, 5_000_000):
            await req.send(bytes(size))
            assert await rep.recv() == bytes(size)
            await rep.send_multipart([b"", bytes(size)])
            assert await req.recv_multipart() == [b"", bytes(size)]
    print("talked over", endpoint)

async def main():
    with trio.fail_after(20):
        await talk("tcp://127.0.0.1:*")
        await talk("tcp://127.0.0.1:*", *SECURITY)
        await talk("inproc://here")
        try:
            await talk("ipc://*")
        except zmq.ZMQError as error:
            print(error)
        async with zmq.Context() as ctx:
            push = ctx.socket(zmq.PUSH, linger=0)
            for act, endpoint in (push.bind, "ipc://@name"), (push.connect, "ipc://@name"), (push.bind, "tcp://lo:*"):
                try:
                    act(endpoint)
                except zmq.ZMQError as error:
                    print(error)

trio.run(main)
"""

NO_IPC = "ipc needs Unix domain sockets, which Python does not have on this system; use tcp://127.0.0.1:PORT"
LINUX_ONLY = "EINVAL: ipc://@name: only Linux has names in no file system; expected a path, ipc:///PATH"

SAID = {
    "Windows": [
        "talked over tcp://127.0.0.1:*",
        "talked over tcp://127.0.0.1:*",
        "talked over inproc://here",
        f"EPROTONOSUPPORT: ipc://*: {NO_IPC}",
        f"EPROTONOSUPPORT: ipc://@name: {NO_IPC}",
        f"EPROTONOSUPPORT: ipc://@name: {NO_IPC}",
        "ENODEV: tcp://lo: bind takes an address of this machine, an interface that has one, or *; names are for"
        " connect, because bind does not look them up",
    ],
    "macOS": [
        "talked over tcp://127.0.0.1:*",
        "talked over tcp://127.0.0.1:*",
        "talked over inproc://here",
        "talked over ipc://*",
        LINUX_ONLY,
        LINUX_ONLY,
    ],
}


@pytest.mark.parametrize("system", SAID)
@pytest.mark.slow
def test_messages_pass_without_what_only_linux_has(system: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT[system] + TALK],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.splitlines()[: len(SAID[system])] == SAID[system]


@pytest.mark.slow
def test_a_tool_prints_into_a_pipe_of_windows() -> None:
    """Its encoding has neither ✓ nor →, which are question marks then."""
    run = subprocess.run(
        [sys.executable, "-m", "minizmtp.learn"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.startswith(b" ?  1  greeting")
