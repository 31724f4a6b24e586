"""The tap's command line: `python -m minizmtp.tap --help`.

    python -m minizmtp.tap tcp://127.0.0.1:5555 tcp://127.0.0.1:5556            see what passes
    python -m minizmtp.tap tcp://*:5555 ipc:///run/app.sock --pcap app.pcap     also write it for Wireshark
    python -m minizmtp.tap ipc://@tap tcp://example.org:80 --quiet --html http.html
    python -m minizmtp.tap ws://127.0.0.1:8080/news ws://127.0.0.1:8081/news            a browser and a PUB

    exit code     0   ended by Ctrl-C or SIGTERM, and the files are complete
                  1   ended in the same way, but something is missing, and an error says what
                  2   the command line is wrong, or LISTEN cannot be bound

The first line of output says where the tap listens, which is useful with `tcp://127.0.0.1:*`, and the last ones where
its files are. Files are opened at the start, so that a path that cannot be written is an error before the conversation
and not after it.

With CURVE, the server's permanent secret key opens only the first two commands. The rest needs a key of that very
connection, which a peer normally keeps to itself: that is the purpose of CURVE (see `trace.curve`).

This is the last module of the tap. It can be read alone.
"""

import argparse
import inspect
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import IO, Any, TypeVar

import trio

from ..extras import require

require("minizmtp.tap", "demo", "rich")

from ..errors import ZMQError
from ..net.addresses import bound_place
from ..net.endpoints import Endpoint, Inproc, Ipc, Tcp, Ws, parse_endpoint
from ..net.transports import Listener, check_dialable, listen
from ..options import Options
from ..trace import Keys
from .conversation import to_json
from .ear import Wishes
from .page import NEEDED, write_html
from .relay import Relay, words
from .screen import Screen
from .show import Show, is_plain
from .watch import Tap

# Seconds at the end for annotating what has passed, and again for showing it. Both are limited, because a stopped
# terminal takes nothing.
PATIENCE = 2.0
MIB = 1 << 20
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where a connection to "any address" arrives
KEYS = tuple(inspect.signature(Keys).parameters)

File = TypeVar("File", bound=IO[Any])


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says, and return the exit code."""
    options = parse(arguments)
    with ExitStack() as files:
        try:
            html, as_json = (
                files.enter_context(open(path, "w", encoding="utf-8")) if path else None
                for path in (options.html, options.json)
            )
            capture = files.enter_context(open(options.pcap, "wb")) if options.pcap else None
            listener = listen(options.listen, Options())
        except (OSError, ZMQError) as error:
            print(f"tap: {error}", file=sys.stderr)
            return 2
        # A second SIGTERM must not cut off the files: timeout(1) signals its process, and then the group with it.
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN) or signal.SIG_DFL
        files.callback(signal.signal, signal.SIGTERM, before)
        tap = trio.run(listen_in, listener, options, capture)
        failures = [
            *tap.failures,
            *finish(html, lambda file: write_html(file, tap.conversations)),
            *finish(as_json, lambda file: json.dump(to_json(tap.conversations), file)),
            *finish(capture, lambda file: None),
        ]
    for path in filter(None, (options.html, options.json, options.pcap)):
        print(f"{os.path.abspath(path)}: {tap.connections} connection{'s' * (tap.connections != 1)}")
    for failure in failures:
        print(f"tap: {failure}", file=sys.stderr)
    return 1 if failures else 0


def finish(file: File | None, write: Callable[[File], object]) -> Iterator[str]:
    """Write and close the files; yield errors. (Closing may fail, because only then is buffered data written.)"""
    if file is not None:
        try:
            write(file)
            file.close()
        except OSError as error:
            yield f"{file.name}: {words(error)}"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. A wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m minizmtp.tap",
        description="Listen in place of a server, relay everything to the server, and annotate it octet by octet. "
        "Whether it is ZMTP or HTTP is recognized by the first octets.",
        epilog="Ctrl-C ends it and writes the files.",
    )
    add = parser.add_argument
    add(
        "listen",
        metavar="LISTEN",
        help="where the client connects: tcp://127.0.0.1:5555, ipc://PATH, ws://127.0.0.1:5555/PATH",
    )
    add("connect", metavar="CONNECT", help="where the server is; may use another transport")
    add("--html", metavar="FILE", help="at the end, write the conversations as a page")
    add("--json", metavar="FILE", help="at the end, write the conversations as JSON")
    add("--pcap", metavar="FILE", help="write a capture for Wireshark, as data arrives")
    add(
        "--curve",
        metavar="NAME=KEY",
        action="append",
        default=[],
        help=f"opens CURVE's boxes; {', '.join(KEYS)}",
    )
    add("--keep", metavar="MIB", type=float, default=1.0, help="memory for each connection in --html and --json (1)")
    add("--secrets", action="store_true", help="do not mask passwords and cookies (--pcap never does)")
    add("--latency", metavar="MS", type=float, default=0.0, help="delay each direction by so many milliseconds (0)")
    add("--all", action="store_true", help="show every octet, even of long bodies and floods")
    add("--quiet", action="store_true", help="show nothing, only write the files")
    options = parser.parse_args(arguments)
    try:
        options.listen = with_octets(parse_endpoint(options.listen))
        options.connect = with_octets(parse_endpoint(options.connect, connect=True))
        check_dialable(options.connect)
        if leads_back(bound_place(options.listen, Options()), options.connect):
            raise ValueError(f"{options.connect} leads back to the tap itself: expected the server's endpoint")
        options.keys = keys(options.curve)
    except (ZMQError, ValueError) as error:
        parser.error(str(error))
    if options.html and (missing := [name for name in NEEDED if not find_spec(name)]):
        parser.error(f"--html needs {' and '.join(missing)}: pip install 'minizmtp[html]'")
    return options


def keys(named: Sequence[str]) -> Keys:
    """CURVE keys, each given as NAME=KEY, the key in Z85.

    >>> len(keys(["server_secret=Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"]).server_secret)
    32
    """
    found = dict(each.split("=", 1) for each in named if "=" in each)
    if len(found) < len(named) or not found.keys() <= set(KEYS):
        raise ValueError(f"--curve: expected NAME=KEY, with each NAME at most once, from {', '.join(KEYS)}")
    for name, key in found.items():
        try:
            Keys(**{name: key})
        except ValueError as error:
            raise ValueError(f"--curve {name}: {error}") from None
    return Keys(**found)


def leads_back(here: Endpoint | None, there: Endpoint) -> bool:
    """Whether a connection to there arrives at here, so that the tap would connect to itself again and again.

    >>> leads_back(Tcp("127.0.0.1", 5555), Tcp("localhost", 5555)), leads_back(Ipc("/run/app"), Ipc("/run/../run/app"))
    (True, True)
    """
    if isinstance(here, Ws):
        here = here.at
    if isinstance(there, Ws):
        there = there.at
    if isinstance(here, Ipc) and isinstance(there, Ipc):
        return os.path.realpath(here.path) == os.path.realpath(there.path)
    if not (isinstance(here, Tcp) and isinstance(there, Tcp) and here.port == there.port):
        return False
    try:
        found = socket.getaddrinfo(there.host, there.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # no such name, now
        return False
    hosts = {(family, LOOPBACK.get(str(address[0]), str(address[0]))) for family, _, _, _, address in found}
    return any(host == here.host or (here.host in LOOPBACK and is_ours(family, host)) for family, host in hosts)


def is_ours(family: int, host: str) -> bool:
    """Whether this machine has that address: only such an address can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.bind((host, 0))
        return True
    return False


def with_octets(endpoint: Endpoint) -> Endpoint:
    """Parse the endpoint, and refuse one that can't be tapped."""
    if isinstance(endpoint, Inproc):
        raise ValueError(f"{endpoint}: inproc has no octets to tap; expected tcp, ipc or ws")
    if isinstance(endpoint, Ws) and endpoint.secure:
        raise ValueError(f"{endpoint}: the octets of wss are encrypted; expected tcp, ipc or ws")
    return endpoint


async def listen_in(listener: Listener, options: argparse.Namespace, capture: IO[bytes] | None) -> Tap:
    """Run the tap until a signal comes, and return it."""
    file, is_windows = sys.stdout, sys.platform == "win32"  # its console has a code page, and no colours unless asked
    screen = Screen(file.fileno(), (is_windows and os.device_encoding(file.fileno())) or file.encoding)
    wishes = Wishes(
        screen=None if options.quiet else screen,
        show=Show(colour=not (is_windows or is_plain(file, os.environ)), whole=options.all),
        keep=round(options.keep * MIB) if options.html or options.json else 0,
        keys=options.keys,
        secrets=options.secrets,
    )
    tap = Tap(wishes, capture, epoch=datetime.now(UTC).timestamp() - trio.current_time())
    relay = Relay(listener, options.connect, tap, options.latency / 1000)
    screen.say(f"{listener.endpoint} → {options.connect}\n")
    files = " and writes the files" * bool(options.html or options.json or capture)
    screen.say(f"Waiting for a client. Ctrl-C ends the tap{files}.\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.run)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await run_until(signals, relay.run, tap.run)
        await tap.finish(PATIENCE)
        screen.finish()
        nursery.cancel_scope.deadline = trio.current_time() + PATIENCE
    return tap


async def run_until(signals: AsyncIterator[int], *tasks: Callable[[], Awaitable[object]]) -> None:
    """Run the tasks until a signal comes."""
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task)
        async for _ in signals:
            nursery.cancel_scope.cancel()
            break


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
