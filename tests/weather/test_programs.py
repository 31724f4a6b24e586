"""A program at the other end stops, is killed, gives its port away, or has no files left."""

import signal
import sys
from pathlib import Path

import pytest
import trio

from .stage import HEARTBEATS, NOTICED, RECONNECTED, A, B, check_losses, stage

WRONG_SERVER = """
import selectors, socket, sys
sel = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    sel.register(socket.create_server(("10.77.0.2", port)), selectors.EVENT_READ)
while True:
    for key, _ in sel.select():
        conn, _ = key.fileobj.accept()
        conn.sendall(b"HTTP/1.1 400 Bad Request\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n")
        conn.close()
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("host", [A, B])
async def test_a_killed_program_loses_only_what_was_under_way(tmp_path: Path, host: int) -> None:
    """Its kernel closes the connections at once, so heartbeats are not needed."""
    async with stage(tmp_path, {}) as play:
        await play.kill(host)
        await trio.sleep(1)
        await play.start_host(host)
        await play.until_all_flow(RECONNECTED + 3)
        check_losses(await play.finish(8))


@pytest.mark.timeout(120)
async def test_a_stopped_program_is_dropped_and_found_again(tmp_path: Path) -> None:
    """SIGSTOP: its kernel goes on to acknowledge, and only heartbeats notice."""
    async with stage(tmp_path, HEARTBEATS) as play:
        await play.until_all_flow(5)
        play.send_signal(B, signal.SIGSTOP)
        await trio.sleep(6)
        play.send_signal(B, signal.SIGCONT)
        await play.until_all_flow(RECONNECTED + 3)
        check_losses(await play.finish(8))


@pytest.mark.timeout(120)
async def test_a_wrong_server_at_the_port_does_not_end_a_connect(tmp_path: Path) -> None:
    async with stage(tmp_path, {}) as play:
        await play.kill(B)
        words = [sys.executable, "-c", WRONG_SERVER, *map(str, play.ports)]
        server = await trio.lowlevel.open_process(play.net.command(B, *words))
        await trio.sleep(3)
        server.kill()
        await server.wait()
        await play.start_host(B)
        await play.until_all_flow(RECONNECTED + 3, but=given_up)
        accounts = await play.finish(8)
        # A libzmq 4.3.5 without a mechanism takes an HTTP server for a peer of ZMTP 1.0 and sends it its messages.
        ours = {name: one for name, one in accounts.items() if "-libzmq-ours-" not in name}
        check_losses(ours)


def given_up(name: str) -> bool:
    """A libzmq 4.3.5 with CURVE never dials again after the answer of an HTTP server."""
    return "-libzmq-ours-CURVE" in name


@pytest.mark.timeout(120)
@pytest.mark.parametrize("host", [A, B])
async def test_files_run_out_and_come_back(tmp_path: Path, host: int) -> None:
    """With no file left, accept and connect fail with EMFILE. When there are files again, all conversations go on."""
    async with stage(tmp_path, HEARTBEATS) as play:
        play.send_signal(host, signal.SIGUSR1, ["ours"])
        await play.net.cut_for(NOTICED + 1)  # ends the connections, so that new ones are needed
        await trio.sleep(2)
        play.send_signal(host, signal.SIGUSR2, ["ours"])
        await play.until_all_flow(RECONNECTED + 3)
        check_losses(await play.finish(8))
