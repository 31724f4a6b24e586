"""One end of a run: what a role (see `roles`) uses, so that it doesn't depend on the rival."""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

POLL = 0.003  # seconds between two polls of the pipe, in which the sockets' tasks can run


@dataclass(frozen=True)
class Work:
    """The work of one run: `count` messages of `frames` frames with `size` octets each, and the number of peers."""

    count: int
    size: int = 64
    frames: int = 1
    peers: int = 1
    transport: str = "tcp"
    topics: int = 0
    curve: tuple[bytes, bytes, bytes, bytes] | None = None  # server's public and secret key, client's

    def message(self, data: bytes = b"") -> Any:
        """A message of this work, or one of the same shape with other data, as send() takes and recv() returns it."""
        frame = data or bytes(self.size)
        return [frame] * self.frames if self.frames > 1 else frame


class End:
    """pipe: leads to the role at the other end. shared: objects that the roles of one process share."""

    def __init__(self, work: Work, pipe: Connection, shared: dict[str, Any]) -> None:
        self.work = work
        self.pipe = pipe
        self.shared = shared

    def tell(self, word: str) -> None:
        self.pipe.send(("word", word))

    def heard(self) -> bool:
        return self.pipe.poll()

    async def told(self) -> str:
        while not self.heard():
            await self.sleep(POLL)
        return self.pipe.recv()  # type: ignore[no-any-return]

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    async def together(self, functions: Iterable[Callable[[], Any]]) -> list[Any]:
        """Call all functions concurrently; return their results."""
        raise NotImplementedError

    async def socket(self, kind: str, **options: Any) -> Any:
        raise NotImplementedError

    async def listen(self, kind: str, **options: Any) -> Any:
        """A bound socket; its endpoint is sent to the other end."""
        sock = await self.socket(kind, **options, **self.curve_options(server=True))
        if self.work.transport == "ipc":
            sock.bind(f"ipc://{self.path()}")
        else:
            sock.bind({"tcp": "tcp://127.0.0.1:*", "inproc": "inproc://end"}[self.work.transport])
        endpoint = sock.last_endpoint
        self.tell(endpoint.decode() if isinstance(endpoint, bytes) else endpoint)
        return sock

    async def reach(self, kind: str, endpoint: str, **options: Any) -> Any:
        """A connected socket."""
        sock = await self.socket(kind, **options, **self.curve_options(server=False))
        sock.connect(endpoint)
        return sock

    def path(self) -> str:
        """The path to bind for ipc; `rivals.run` removes it."""
        self.shared["folder"] = tempfile.mkdtemp()
        return os.path.join(self.shared["folder"], "end")

    def curve_options(self, *, server: bool) -> dict[str, Any]:
        if not self.work.curve:
            return {}
        server_public, server_secret, public, secret = self.work.curve
        if server:
            return {"curve_server": 1, "curve_publickey": server_public, "curve_secretkey": server_secret}
        return {"curve_serverkey": server_public, "curve_publickey": public, "curve_secretkey": secret}

    def sender(self, sock: Any, several: bool = False, many: bool = False) -> Any:
        """A function that sends. several: multipart messages. many: several messages with one call, if available."""
        return sock.send_many if many else sock.send_multipart if several else sock.send

    def receiver(self, sock: Any, several: bool = False, many: bool = False) -> Any:
        return sock.recv_many if many else sock.recv_multipart if several else sock.recv

    async def close(self, sock: Any) -> None:
        sock.close()
