"""Addresses: what the host of a tcp endpoint means on this machine, and to the system's calls.

    *                          all interfaces: 0.0.0.0, or :: with the option `ipv6`
    127.0.0.1   [::1]          an address; `[::ffff:127.0.0.1]` and `127.1` are spellings of the first
    eth0                       the address of an interface, in bind and as the source of a connect
    localhost                  127.0.0.1 in bind, because it needs no looking up (RFC 6761, section 6.3)
    server.example             looked up by connect at each attempt; bind does not look names up

Two endpoints are the same place if they have the same spelling here: `connect` to a place that is connected already, or
`disconnect` by another spelling, is recognized by that.

Read next: `transports`.
"""

import errno
import ipaddress
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from ..errors import ENODEV, ZMQError
from ..options import Options
from .endpoints import ANY, Endpoint, Tcp, Ws

try:
    from fcntl import ioctl
except ImportError:  # Windows: there a bind takes no interface by its name
    ioctl = None  # type: ignore[assignment]

# Asks for the IPv4 address of an interface (netdevice(7)); macOS and the BSDs have another number for it.
SIOCGIFADDR = 0x8915 if sys.platform == "linux" else 0xC0206921


def family_of(host: str) -> int:
    """The family of an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bind_address(host: str, options: Options) -> str:
    """The address to bind to, in the system's spelling. Raises ZMQError (ENODEV) if host is neither an address nor an
    interface."""
    if host.lower() == "localhost":  # also with `ipv6`, as in libzmq
        return "127.0.0.1"
    for family in (socket.AF_INET6, socket.AF_INET) if options.ipv6 else (socket.AF_INET,):
        if address := _local_address(host, family):
            return address
    raise ZMQError(
        ENODEV,
        f"tcp://{host}: bind takes an address of this machine, an interface that has one, or *;"
        " names are for connect, because bind does not look them up",
    )


def numeric(host: str) -> str:
    """An address in the system's spelling: `[::ffff:127.0.0.1]` and `127.1` are 127.0.0.1. "" if host isn't one."""
    try:
        return spelling(socket_address(host, 0))
    except (OSError, ValueError):  # ValueError: not even a valid name, such as 70 letters without a dot
        return ""


def socket_address(host: str, port: int) -> tuple[Any, ...]:
    """The address as the system's calls take it; an IPv6 address includes the number of its zone's interface."""
    try:
        socket.inet_pton(socket.AF_INET, host)
        return host, port  # as most addresses; getaddrinfo takes twenty times as long, and a connect asks four times
    except OSError:
        pass
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return found[0][4]


def spelling(address: tuple[Any, ...]) -> str:
    """The host of an address of the system's calls, with its zone, if there is one."""
    host = str(address[0])
    if ":" not in host:
        return host
    mapped = ipaddress.IPv6Address(host).ipv4_mapped
    if mapped is not None:
        return str(mapped)
    return f"{host}%{socket.if_indextoname(address[3])}" if address[3] else host


def _local_address(host: str, family: int) -> str:
    """What host means on this machine, as an address of that family, or of another one if host is an address; "" if it
    is none of this machine."""
    is_ipv6 = family == socket.AF_INET6
    if host == ANY:
        return "::" if is_ipv6 else "0.0.0.0"
    if host.lower() == "localhost":  # the one name that needs no looking up (RFC 6761, section 6.3)
        return "::1" if is_ipv6 else "127.0.0.1"
    return numeric(host) or _interface_address(host, family)


def _interface_address(name: str, family: int) -> str:
    """The address of an interface such as eth0, preferably one that isn't link-local; "" if it has none."""
    if name not in [known for _, known in socket.if_nameindex()]:
        return ""
    if family == socket.AF_INET6:
        return _interface_ipv6(name)
    if ioctl is None:
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = ioctl(sock, SIOCGIFADDR, struct.pack("16s16x", name.encode()))
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def _interface_ipv6(name: str) -> str:
    """Read from Linux's file, which has one address a line: address, number, prefix length, scope, flags, interface."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            lines = [line.split() for line in file]
    except OSError:
        return ""
    found = [(scope == "20", digits) for digits, _, _, scope, _, interface in lines if interface == name]
    if not found:
        return ""
    is_link_local, digits = min(found, key=lambda address: address[0])
    return str(ipaddress.IPv6Address(bytes.fromhex(digits))) + (f"%{name}" if is_link_local else "")


def dialled_place(endpoint: Endpoint, options: Options) -> Endpoint:
    """The target of a connect to endpoint, in a normalized spelling, so that two endpoints can be compared.

    >>> str(dialled_place(Tcp("::ffff:127.0.0.1", 5555), Options()))
    'tcp://127.0.0.1:5555'
    >>> str(dialled_place(Tcp("Server.Example", 5555), Options()))
    'tcp://server.example:5555'
    """
    if isinstance(endpoint, Ws):
        place = dialled_place(endpoint.at, options)
        return endpoint._replace(at=place) if isinstance(place, Tcp) else endpoint
    if not isinstance(endpoint, Tcp):
        return endpoint
    host = endpoint.host.lower()
    if host == "localhost" and not options.ipv6:  # or else it may be ::1
        host = "127.0.0.1"
    return endpoint._replace(host=numeric(endpoint.host) or host)


def bound_place(endpoint: Endpoint, options: Options) -> Endpoint | None:
    """The same for a bind; None if the endpoint can't be bound.

    >>> str(bound_place(Tcp("*", 5555), Options()))
    'tcp://0.0.0.0:5555'
    """
    if isinstance(endpoint, Ws):
        place = bound_place(endpoint.at, options)
        return endpoint._replace(at=place) if isinstance(place, Tcp) else None
    if not isinstance(endpoint, Tcp):
        return endpoint
    try:
        return Tcp(bind_address(endpoint.host, options), endpoint.port)
    except (OSError, ZMQError):
        return None


def source_address(source: Tcp | None, family: int) -> tuple[Any, ...] | None:
    """The source address for a connection of that family. It is looked up at each attempt, because an interface may get
    its address later."""
    if source is None:
        return None
    address = _local_address(source.host, family)
    if not address:
        raise OSError(ENODEV, f"no interface {source.host!r} with an address of that family")
    if family_of(address) != family:
        raise OSError(errno.EADDRNOTAVAIL, f"the source address {address} is of another family than its target")
    return socket_address(address, source.port)


def host_of(address: object) -> str:
    """The host of a socket's address, without its port; "" for ipc. The zone of a link-local address is added, because
    Python leaves it out."""
    if not isinstance(address, tuple):
        return ""
    host = str(address[0])
    if len(address) == 4 and address[3] and "%" not in host:
        with suppress(OSError):  # the interface has been removed
            return f"{host}%{socket.if_indextoname(address[3])}"
    return host
