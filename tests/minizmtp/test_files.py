"""When the system has no file left to give: it is told, and once there is one again, all goes on.

Each scenario runs in a process of its own, which takes its last files away from itself. What is missing is then the
connection, or else what the reactor watches all connections with: the first connection of a Context makes it.
"""

import os
import subprocess
import sys
import tempfile

import pytest

PROGRAM = """
import glob, os, resource, socket, sys, tempfile
import trio, trio.testing
import minizmtp as zmq
from minizmtp import Event

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

def leave(files):
    free = os.dup(0)  # the lowest number that is free
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + files, hard))

def give_back():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

async def failures(monitor, event, count):
    async for told in monitor:
        if told.event is event:
            assert "Too many open files" in told.reason, told
            count -= 1
            if not count:
                return

async def accept(pull, push, files):
    to, monitor = pull.last_endpoint, pull.monitor()
    address = to[6:] if to.startswith("ipc") else ("127.0.0.1", int(to.rpartition(":")[2]))
    with socket.socket(socket.AF_UNIX if to.startswith("ipc") else socket.AF_INET) as first:
        leave(files)
        first.connect(address)
        await failures(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL if files else Event.ACCEPT_FAILED, 1)
        give_back()
    push.connect(to)

async def connect(pull, push, files):
    monitor = push.monitor()
    leave(files)
    push.connect(pull.last_endpoint.replace("127.0.0.1", "localhost"))
    await failures(monitor, Event.HANDSHAKE_FAILED_NO_DETAIL if files else Event.CLOSED, 3)
    give_back()

async def bind(pull, push, files):
    directories = glob.glob(os.path.join(tempfile.gettempdir(), "minizmtp-*"))
    leave(0)
    for endpoint in ("tcp://127.0.0.1:*", "ipc://*", "tcp://lo:*"):
        try:
            pull.bind(endpoint)
        except zmq.ZMQError as error:
            assert "EMFILE" in str(error), error
        else:
            raise AssertionError(endpoint)
    give_back()
    assert glob.glob(os.path.join(tempfile.gettempdir(), "minizmtp-*")) == directories
    pull.bind("ipc://*")
    push.connect(pull.last_endpoint)

async def main(scenario, endpoint, files):
    async with zmq.Context() as ctx:
        pull, push = ctx.socket(zmq.PULL, linger=0), ctx.socket(zmq.PUSH, linger=0)
        with trio.fail_after(20):
            pull.bind(endpoint)
            await trio.testing.wait_all_tasks_blocked()
            await scenario(pull, push, files)
            await push.send(b"hello")
            assert await pull.recv() == b"hello"
    print("well")

trio.run(main, {"accept": accept, "connect": connect, "bind": bind}[sys.argv[1]], sys.argv[2], int(sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
@pytest.mark.parametrize("files", [0, 1])
@pytest.mark.parametrize("what", ["accept", "connect"])
def test_without_a_file_for_a_connection_it_is_tried_again(what: str, files: int, endpoint: str) -> None:
    run(what, endpoint, files)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
@pytest.mark.slow
def test_a_bind_without_a_file_says_so_and_leaves_nothing() -> None:
    run("bind", "tcp://127.0.0.1:*", 0)


def run(what: str, endpoint: str, files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:  # of its own, because other programs may use the same ipc directories
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, what, endpoint, str(files)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"TMPDIR": folder},
        )
    assert (done.stdout, done.returncode) == ("well\n", 0), done.stderr
    # Both ends are in this process: the log tells of each of them once, and not ten times a second.
    assert done.stderr.count("Too many open files") <= 2
