"""Connections that are made and say nothing more: what they cost the process that holds them.

The other end is the same for all rivals and knows only as much of ZMTP as it takes to be let in, so that the time is
that of the end which is measured.  Memory is that of the process (the resident set), not what the system's kernel
keeps for each connection; CPU is of all its threads.
"""

import gc
import os
import socket
import subprocess
import time
from typing import Any

# 37/ZMTP 3.1: signature, version, mechanism NULL, as a client; then READY of a DEALER.
GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\1" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
HANDSHAKE = GREETING + bytes([4, len(READY)]) + READY
TOGETHER = 50  # so many dial at the same time


def resident() -> int:
    """The octets of this process that are in memory."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # as on macOS
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())])) * 1024


class Ledger:
    """What this process has used since the ledger was opened."""

    def __init__(self) -> None:
        gc.collect()
        self.memory, self.cpu = resident(), time.process_time()

    def costs(self, connections: int) -> tuple[float, float]:
        """KiB of memory and seconds of CPU, for each of so many connections."""
        cpu = time.process_time() - self.cpu
        gc.collect()
        return (resident() - self.memory) / 1024 / connections, cpu / connections


def crowd(end: Any) -> None:
    """Connect, be let in, and keep still."""
    host, port = end.told().removeprefix("tcp://").split(":")
    assert end.told() == "come"
    callers: list[socket.socket] = []
    while len(callers) < end.work.peers:
        fresh = [
            socket.create_connection((host, int(port))) for _ in range(min(TOGETHER, end.work.peers - len(callers)))
        ]
        for caller in fresh:
            caller.settimeout(30)
            caller.sendall(HANDSHAKE)
        for caller in fresh:
            heard = b""
            while len(heard) < 66 or len(heard) < 66 + heard[65]:  # a greeting, and a READY of one short frame
                more = caller.recv(1024)
                assert more, "the other end has hung up"
                heard += more
        callers += fresh
    end.tell("all are in")
    end.told()
    for caller in callers:
        caller.close()
