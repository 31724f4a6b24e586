"""The libzmq side: a separate process that holds real libzmq sockets and reads its commands from standard input.

It is a process, because then a crash, a failed assertion or an endless wait inside libzmq fails one test instead of
blocking all of them, and because `SIGKILL` ends a peer without any cleanup. When a test is over, the next one uses the
same process with a new context, because that takes a tenth of the time that a new process takes.

`zmq.asyncio` isn't enough, because libzmq does some of its work in the application's thread, and only while the
application calls into it (L-40): a SUB that isn't polled doesn't even subscribe again after a reconnect. So this
process always polls all its sockets, also those without a pending command; for these it uses `IDLE`.

    → {"id": 7, "call": "send", "socket": "s1"}, frames        a request; several may be open at once
    ← {"id": 7, "value": null}                                 its reply, as soon as there is one
    ← {"id": 7, "errno": 11, "words": "…"}                     or libzmq's error
    ← {"event": "ACCEPTED", "socket": "s1", "value": 12, …}    an event of a socket's monitor, at any time

The end of standard input ends the process. It writes to standard error only if it is broken.
"""

import contextlib
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
from zmq.auth.base import Authenticator

from interop_tests.packets import Header, PacketReader, pack

STDIN, STDOUT = 0, 1

# The flags for a socket without a pending request. zmq_poll ignores an item without flags. With POLLERR, which only
# has a meaning for file descriptors, zmq_poll waits for the socket's internal mailbox, does the work that it finds
# there, and never reports the socket as ready. That is what L-40 requires.
IDLE = zmq.POLLERR


@dataclass
class Served:
    """One libzmq socket, its monitor, and its pending requests."""

    socket: "zmq.Socket[bytes]"
    monitor: "zmq.Socket[bytes]"
    sends: deque[tuple[int, list[bytes]]] = field(default_factory=deque)
    receives: deque[int] = field(default_factory=deque)

    def interest(self) -> int:
        return IDLE | (zmq.POLLOUT if self.sends else 0) | (zmq.POLLIN if self.receives else 0)


class Process:
    """One libzmq context, its sockets by name, and the loop that polls them."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.poller.register(STDIN, zmq.POLLIN)
        self.packets = PacketReader()
        self.sockets: dict[str, Served] = {}
        self.authenticator: Authenticator | None = None

    def run(self) -> None:
        while True:
            ready = dict(self.poller.poll())
            # Report events before replies, because the reply to "receive" must not overtake the handshake's event.
            for name, served in self.sockets.items():
                if served.monitor in ready:
                    self.report_events(name, served)
            for served in list(self.sockets.values()):
                if served.socket in ready:
                    self.advance(served)
            if self.authenticator is not None and self.authenticator.zap_socket in ready:
                self.authenticate(self.authenticator)
            if STDIN in ready and not self.read_questions():
                return

    # --- talking with the parent ------------------------------------------------------------------

    def say(self, header: Header, frames: list[bytes] | None = None) -> None:
        data = memoryview(pack(header, frames or []))
        while data:
            data = data[os.write(STDOUT, data) :]

    def read_questions(self) -> bool:
        """Handle the requests that have arrived. False at the end of the input."""
        data = os.read(STDIN, 1 << 20)
        self.packets.feed(data)
        for header, frames in self.packets:
            self.attempt(header["id"], lambda h=header, f=frames: self.answer(h, f))  # type: ignore[misc]
        return bool(data)

    def attempt(self, question: int, action: Callable[[], None]) -> None:
        try:
            action()
        except zmq.ZMQError as error:
            self.say({"id": question, "errno": error.errno, "words": str(error)})

    def answer(self, header: Header, frames: list[bytes]) -> None:
        """Handle one request. The result of a call named `ask_…` is the reply; `send` and `receive` may reply later."""
        question, call = header.pop("id"), header.pop("call")
        if call in ("send", "receive", "cancel"):
            getattr(self, call)(question, frames, **header)
        else:
            self.say({"id": question, "value": getattr(self, f"ask_{call}")(*frames, **header)})

    def report_events(self, name: str, served: Served) -> None:
        while served.monitor.poll(0):
            numbers, endpoint = served.monitor.recv_multipart()
            number, value = struct.unpack("=Hi", numbers)  # zmq_socket_monitor(3): 16 and 32 bits, host order
            event = {"event": zmq.Event(number).name, "value": value, "endpoint": endpoint.decode()}
            self.say({**event, "socket": name})

    # --- requests that are answered at once -------------------------------------------------------

    def ask_socket(self, socket: str, socket_type: str, options: dict[str, Any]) -> None:
        """Make a socket. Options have libzmq's names in lower case; octets are given as text (latin-1)."""
        new = self.context.socket(getattr(zmq, socket_type))
        for option, value in options.items():
            set_option(new, option, value)
        served = self.sockets[socket] = Served(new, new.get_monitor_socket())
        self.poller.register(served.socket, served.interest())
        self.poller.register(served.monitor, zmq.POLLIN)

    def ask_set(self, socket: str, option: str, value: int | str) -> None:
        set_option(self.sockets[socket].socket, option, value)

    def ask_guard(self, passwords: dict[str, str], certificates: str) -> None:
        """Use pyzmq's Authenticator as ZAP handler of this context."""
        self.authenticator = Authenticator(self.context)
        self.authenticator.configure_plain("*", passwords)
        self.authenticator.configure_curve("*", certificates)
        self.authenticator.start()
        self.poller.register(self.authenticator.zap_socket, zmq.POLLIN)

    def authenticate(self, authenticator: Authenticator) -> None:
        """Answer one ZAP request. pyzmq's method is a coroutine, but it never waits as it is used here."""
        request = authenticator.zap_socket.recv_multipart()
        with contextlib.suppress(StopIteration):
            authenticator.handle_zap_message(request).send(None)

    def ask_bind(self, socket: str, endpoint: str) -> str:
        self.sockets[socket].socket.bind(endpoint)
        return self.sockets[socket].socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def ask_connect(self, socket: str, endpoint: str) -> None:
        self.sockets[socket].socket.connect(endpoint)

    def ask_unbind(self, socket: str, endpoint: str) -> None:
        self.sockets[socket].socket.unbind(endpoint)

    def ask_disconnect(self, socket: str, endpoint: str) -> None:
        self.sockets[socket].socket.disconnect(endpoint)

    def ask_subscribe(self, topic: bytes, socket: str) -> None:
        self.sockets[socket].socket.subscribe(topic)

    def ask_unsubscribe(self, topic: bytes, socket: str) -> None:
        self.sockets[socket].socket.unsubscribe(topic)

    def ask_close(self, socket: str, linger: int | None) -> None:
        served = self.sockets.pop(socket)
        self.poller.unregister(served.socket)
        self.poller.unregister(served.monitor)
        served.socket.disable_monitor()
        served.monitor.close(linger=0)
        served.socket.close(linger)

    def ask_term(self) -> None:
        """Close the context, which waits until every closed socket has lingered. No other request can be pending."""
        for name in list(self.sockets):
            self.ask_close(name, None)
        self.context.term()
        self.context = zmq.Context()

    def ask_reset(self) -> bool:
        """Begin anew with a new context. False if something still lingers: then this process is of no more use."""
        for name in list(self.sockets):
            self.ask_close(name, 0)
        if self.authenticator is not None:
            self.poller.unregister(self.authenticator.zap_socket)
            self.authenticator.stop()
            self.authenticator = None
        ending = threading.Thread(target=self.context.term, daemon=True)
        ending.start()
        ending.join(0.2)
        self.context = zmq.Context()
        return not ending.is_alive()

    # --- requests that may have to wait -----------------------------------------------------------

    def send(self, question: int, frames: list[bytes], socket: str, wait: bool) -> None:
        served = self.sockets[socket]
        # In send, libzmq looks for new peers only if it last did so at least a millisecond ago. This call makes it
        # look now.
        served.socket.getsockopt(zmq.EVENTS)
        if not wait:
            served.socket.send_multipart(frames, zmq.NOBLOCK)
            return self.say({"id": question, "value": None})
        served.sends.append((question, frames))
        return self.advance(served)

    def receive(self, question: int, frames: list[bytes], socket: str, wait: bool) -> None:
        served = self.sockets[socket]
        served.socket.getsockopt(zmq.EVENTS)
        if not wait:
            return self.say({"id": question, "value": None}, served.socket.recv_multipart(zmq.NOBLOCK))
        served.receives.append(question)
        return self.advance(served)

    def cancel(self, question: int, frames: list[bytes], cancelled: int) -> None:
        """Forget a request. Its caller was cancelled, so the message goes to the next request."""
        for served in self.sockets.values():
            served.sends = deque(waiting for waiting in served.sends if waiting[0] != cancelled)
            served.receives = deque(waiting for waiting in served.receives if waiting != cancelled)
            self.poller.register(served.socket, served.interest())

    def advance(self, served: Served) -> None:
        """Answer the requests that can be answered now, in their order."""
        while served.sends and self.try_send(served, *served.sends[0]):
            served.sends.popleft()
        while served.receives and self.try_receive(served, served.receives[0]):
            served.receives.popleft()
        self.poller.register(served.socket, served.interest())

    def try_send(self, served: Served, question: int, frames: list[bytes]) -> bool:
        try:
            served.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            self.say({"id": question, "errno": error.errno, "words": str(error)})
        else:
            self.say({"id": question, "value": None})
        return True

    def try_receive(self, served: Served, question: int) -> bool:
        try:
            frames = served.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            self.say({"id": question, "errno": error.errno, "words": str(error)})
        else:
            self.say({"id": question, "value": None}, frames)
        return True


def set_option(socket: "zmq.Socket[bytes]", option: str, value: int | str) -> None:
    number = getattr(zmq, option.upper())
    socket.setsockopt(number, value.encode("latin-1") if isinstance(value, str) else value)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the parent has ended
        Process().run()
    # Exit without cleanup, because the cleanup would wait for every socket that still lingers.
    os._exit(0)
