"""Programs to run and to change: python -m examples.NAME"""

import socket
from contextlib import ExitStack


def places(folder: str, *names: str) -> list[str]:
    """An endpoint for each name: a file in folder, or a free port where Python has no Unix sockets, as on Windows."""
    if hasattr(socket, "AF_UNIX"):
        return [f"ipc://{folder}/{name}" for name in names]
    with ExitStack() as probes:
        found = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return [f"tcp://127.0.0.1:{probe.getsockname()[1]}" for probe in found]
