"""Idle connections: what they cost the process that holds them.

The other end is the same for all rivals, and only does the ZMTP handshake, so the measured end takes most of the time.
Memory is the process's resident set, without the kernel's memory for each connection; CPU is that of all its threads.
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
TOGETHER = 50  # connections that are dialled concurrently


def resident() -> int:
    """The resident memory of this process in octets."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:  # as on macOS
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())])) * 1024


class Ledger:
    """The resources that this process has used since the ledger was made."""

    def __init__(self) -> None:
        gc.collect()
        self.memory, self.cpu = resident(), time.process_time()

    def costs(self, connections: int) -> tuple[float, float]:
        """KiB of memory and seconds of CPU per connection."""
        cpu = time.process_time() - self.cpu
        gc.collect()
        return (resident() - self.memory) / 1024 / connections, cpu / connections


def crowd(end: Any) -> None:
    """Connect, do the handshake, and send nothing more."""
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
