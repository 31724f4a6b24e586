"""Two hosts and the wire between them: network namespaces, joined by a relay that can do what a bad network does.

    host a                        Wire                         host b
    10.77.0.1 ── TUN device ──► packets ──► TUN device ── 10.77.0.2
                  (in its namespace)      (in its namespace)

A TUN device hands each IP packet that the kernel sends into it to the program that opened it. The relay opens one for
each host, moves it into the namespace of the host, and passes packets from one to the other. In between it can cut the
cable, lose, delay, reorder and throttle. No kernel module such as netem is needed, and the random choices are seeded.
"""

import contextlib
import fcntl
import os
import random
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import trio

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 65536
ADDRESSES = ("10.77.0.1", "10.77.0.2")


@dataclass
class Weather:
    """delay: seconds, each way. loss, reorder: shares of the packets; a reordered one takes twice the delay, and 5 ms
    more. rate: octets a second, each way. queue: how many packets may wait for a slow wire; the next are lost."""

    cut: bool = False
    delay: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    rate: float | None = None
    queue: int = 100


class Wire:
    """One direction: packets come by one file, and leave by another."""

    def __init__(self, incoming: int, outgoing: int, weather: Weather, seed: int) -> None:
        self.incoming, self.outgoing, self.weather = incoming, outgoing, weather
        self.dice = random.Random(seed)
        self.passed = self.lost = 0
        self.free_at = 0.0  # when a slow wire has carried what it has accepted
        self.waiting = 0

    async def relay(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(self.incoming)
                with contextlib.suppress(BlockingIOError):
                    self.accept(os.read(self.incoming, LARGEST_PACKET), nursery)

    def accept(self, packet: bytes, nursery: trio.Nursery) -> None:
        weather, now = self.weather, trio.current_time()
        if weather.cut or self.dice.random() < weather.loss or self.waiting >= weather.queue:
            self.lost += 1
            return
        due = now + weather.delay
        if self.dice.random() < weather.reorder:
            due += weather.delay + 0.005
        if weather.rate:
            self.free_at = max(now, self.free_at) + len(packet) / weather.rate
            due = max(due, self.free_at)
        if due <= now:
            self.deliver(packet)
        else:
            self.waiting += 1
            nursery.start_soon(self.deliver_later, packet, due)

    async def deliver_later(self, packet: bytes, due: float) -> None:
        await trio.sleep_until(due)
        self.waiting -= 1
        self.deliver(packet)

    def deliver(self, packet: bytes) -> None:
        if self.weather.cut:  # a packet that was on the wire when the cable was cut
            self.lost += 1
            return
        self.passed += 1
        with contextlib.suppress(OSError):  # the kernel's queue is full: a lost packet, as on any network
            os.write(self.outgoing, packet)


class Network:
    """hosts: the names of the two namespaces. weather: may be changed at any time."""

    def __init__(self, hosts: tuple[str, str], weather: Weather, wires: tuple[Wire, Wire]) -> None:
        self.hosts, self.weather, self.wires = hosts, weather, wires

    def command(self, host: int, *words: str) -> list[str]:
        """The command that runs these words on a host."""
        return ["ip", "netns", "exec", self.hosts[host], *words]

    async def cut_for(self, seconds: float) -> None:
        self.weather.cut = True
        await trio.sleep(seconds)
        self.weather.cut = False


@contextlib.asynccontextmanager
async def network(seed: int = 0) -> AsyncIterator[Network]:
    """Two hosts and their wires, until the end of the block."""
    hosts = (f"weather-a-{os.getpid()}", f"weather-b-{os.getpid()}")
    with contextlib.ExitStack() as stack:
        files = []
        for number, host in enumerate(hosts):
            ip("netns", "add", host)
            stack.callback(ip, "netns", "del", host)
            files.append(stack.enter_context(tun(f"weather{number}")))
            ip("link", "set", f"weather{number}", "netns", host)
            for words in (
                ("link", "set", "lo", "up"),
                ("addr", "add", f"{ADDRESSES[number]}/24", "dev", f"weather{number}"),
                ("link", "set", f"weather{number}", "up"),
            ):
                ip("-n", host, *words)
        weather = Weather()
        wires = (Wire(files[0], files[1], weather, seed), Wire(files[1], files[0], weather, seed + 1))
        async with trio.open_nursery() as nursery:
            for wire in wires:
                nursery.start_soon(wire.relay)
            yield Network(hosts, weather, wires)
            nursery.cancel_scope.cancel()


@contextlib.contextmanager
def tun(name: str) -> Iterator[int]:
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        yield file
    finally:
        os.close(file)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


def why_not() -> str:
    """Why no such network can be made here; "" if it can."""
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun here"
    if os.geteuid() != 0:
        return "network namespaces and TUN devices need root"
    try:
        ip("netns", "add", "weather-try")
        ip("netns", "del", "weather-try")
    except (OSError, subprocess.SubprocessError) as error:
        return f"no network namespace can be made here: {error}"
    return ""
