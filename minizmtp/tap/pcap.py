r"""Captures: a conversation as a file for Wireshark, written without capture privileges.

    file      a1b2c3d4  version 2.4  zone 0  accuracy 0  longest packet  link type 101: packets begin with IP
    packet    seconds, microseconds, octets kept, octets in all
              IP header (20 octets, IPv6: 40)  TCP header (20, with options 28)  up to 32 KiB of data
    packet    …

The tap sees streams, not packets. So the packets are synthetic, like those of a well-behaved TCP: a three-way
handshake, sequence numbers that count octets, an acknowledgement after each write, FIN when a side ends its stream, and
RST when it fails. Data and times are real, and so are the addresses and ports if both ends use tcp. An end that uses
ipc, which has neither, gets 127.0.0.1 and a port that tells the connections apart.

    >>> flow = Flow(made_up(1, Tcp("127.0.0.1", 50000), Tcp("127.0.0.1", 5555)))
    >>> syn, syn_ack, ack = flow.opening()
    >>> data, ack = flow.said(Side.CLIENT, b"\xff")
    >>> len(syn), len(data), data[-1:]
    (48, 41, b'\xff')

Sources: the libpcap file format (pcap-savefile(5)); RFC 791 and 8200 for IP, RFC 9293 for TCP, RFC 7323 for its window
scale. Wireshark 4.4 and later decodes ZMTP: "Decode As…", or `tshark -d tcp.port==5555,zmtp`. It detects HTTP itself.

Below this module: `endpoints`, `trace` for the names of the two sides.
Read next: `show`.
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ..net.endpoints import Endpoint, Tcp
from ..trace import Side

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

RAW_IP: Final = 101
LONGEST_PACKET: Final = 65535
# The most data in one packet; Linux puts about as much into one on its loopback interface.
SEGMENT: Final = 32768

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP: Final = 6
TIME_TO_LIVE: Final = 64

# The window is scaled by 2^14, because a window of 64 KiB would be full after one write, and Wireshark would warn.
WINDOW: Final = 65535
OPTIONS: Final = struct.pack(">BBH BBBx", 2, 4, SEGMENT, 3, 3, 14)  # largest segment, window scale, end of options

LOCALHOST: Final = ipaddress.IPv4Address("127.0.0.1")
# Clients without a port get one from here on, in the dynamic range of RFC 6335. A server without one gets
# ZeroMQ's customary port.
FIRST_PORT, PORTS = 49152, 16384
SERVER_PORT: Final = 5555


class Place(NamedTuple):
    address: IPAddress
    port: int


def made_up(connection: int, client: Endpoint | None, server: Endpoint | None) -> dict[Side, Place]:
    """Addresses and ports for both ends, made up where an end has none; both of the same IP version.

    >>> client = made_up(2, None, Tcp("::1", 80))[Side.CLIENT]
    >>> client.address.ipv4_mapped, client.port
    (IPv4Address('127.0.0.1'), 49153)
    """
    places = {
        Side.CLIENT: _place(client, FIRST_PORT + (connection - 1) % PORTS),
        Side.SERVER: _place(server, SERVER_PORT),
    }
    if len({place.address.version for place in places.values()}) == 2:  # one of each: IPv6 can express both
        places = {side: Place(_as_ipv6(place.address), place.port) for side, place in places.items()}
    return places


def _place(endpoint: Endpoint | None, port: int) -> Place:
    if isinstance(endpoint, Tcp):
        try:
            return Place(ipaddress.ip_address(endpoint.host), endpoint.port)
        except ValueError:  # a host name
            return Place(LOCALHOST, endpoint.port)
    return Place(LOCALHOST, port)


def _as_ipv6(address: IPAddress) -> IPAddress:
    if isinstance(address, ipaddress.IPv4Address):
        return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    return address


def file_header() -> bytes:
    """The header of a capture file."""
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST_PACKET, RAW_IP)


def records(packets: Iterable[bytes], at: float) -> bytes:
    """Packets as they are written to the file, each with its header. at: seconds since 1970."""
    seconds, microseconds = divmod(round(at * 1_000_000), 1_000_000)
    parts = []
    for packet in packets:
        parts += [struct.pack("<IIII", seconds, microseconds, len(packet), len(packet)), packet]
    return b"".join(parts)


class Flow:
    """The packets of one connection. places: addresses of its ends. first: each side's initial sequence number."""

    def __init__(self, places: dict[Side, Place], first: int = 0) -> None:
        self._places = places
        self._next = dict.fromkeys(Side, first)  # the sequence number that each side will use next

    def opening(self) -> Iterator[bytes]:
        """The handshake."""
        yield self._packet(Side.CLIENT, SYN, options=OPTIONS)
        yield self._packet(Side.SERVER, SYN | ACK, options=OPTIONS)
        yield self._packet(Side.CLIENT, ACK)

    def refusal(self) -> Iterator[bytes]:
        """No server is there."""
        yield self._packet(Side.CLIENT, SYN, options=OPTIONS)
        yield self._packet(Side.SERVER, RST | ACK)

    def said(self, side: Side, octets: bytes) -> Iterator[bytes]:
        """One write, in as many packets as it needs, and the other side's acknowledgement."""
        for start in range(0, len(octets), SEGMENT):
            yield self._packet(side, PSH | ACK, octets[start : start + SEGMENT])
        yield self._packet(side.other, ACK)

    def end(self, side: Side) -> Iterator[bytes]:
        """FIN: this side has ended its stream."""
        yield self._packet(side, FIN | ACK)
        yield self._packet(side.other, ACK)

    def death(self, side: Side) -> Iterator[bytes]:
        """RST: this side has failed."""
        yield self._packet(side, RST | ACK)

    def _packet(self, side: Side, flags: int, octets: bytes = b"", options: bytes = b"") -> bytes:
        source, target = self._places[side], self._places[side.other]
        acknowledged = self._next[side.other] if flags & ACK else 0
        size = 20 + len(options)
        header = struct.pack(
            ">HHIIBBH", source.port, target.port, self._next[side], acknowledged, size // 4 << 4, flags, WINDOW
        )
        # The checksum includes the addresses, so that a misrouted packet is not accepted (RFC 9293, 3.1).
        length = size + len(octets)
        pseudo = source.address.packed + target.address.packed + struct.pack(">II", TCP, length)
        checksum = complement(pseudo + header + options, octets)
        self._next[side] = (self._next[side] + len(octets) + bool(flags & (SYN | FIN))) % 2**32
        return b"".join(
            [_ip_header(source.address, target.address, length), header, checksum, b"\0\0", options, octets]
        )


def _ip_header(source: IPAddress, target: IPAddress, length: int) -> bytes:
    addresses = source.packed + target.packed
    if source.version == 6:
        return struct.pack(">IHBB", 6 << 28, length, TCP, TIME_TO_LIVE) + addresses
    start = struct.pack(">BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, TIME_TO_LIVE, TCP)  # 4000: do not fragment
    return start + complement(start + addresses) + addresses


def complement(*parts: bytes) -> bytes:
    """The Internet checksum: the ones' complement of the ones' complement sum of all 16-bit words.            RFC 1071

    That sum equals the remainder of one large number modulo 2^16 − 1 (just as the sum of decimal digits gives the
    remainder modulo 9), so Python's own arithmetic does the work. Only the last part may have an odd number of octets.

    >>> complement(bytes.fromhex("0001f203"), bytes.fromhex("f4f5f6f7")).hex()
    '220d'
    """
    total = 0
    for part in parts:
        total += int.from_bytes(part, "big") << 8 * (len(part) % 2)
    return (0xFFFF - (total % 0xFFFF or 0xFFFF)).to_bytes(2, "big")
