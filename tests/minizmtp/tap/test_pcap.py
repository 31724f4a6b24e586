"""Captures: read by a reader that shares nothing with the writer, and by tshark where there is one."""

import io
import ipaddress
import itertools
import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from minizmtp.net.endpoints import Ipc, Tcp
from minizmtp.tap.pcap import SEGMENT, Flow, file_header, made_up, records
from minizmtp.trace import Side
from tests.zmtp_bytes import GREETING, frame, ready

CLIENT, SERVER = Side.CLIENT, Side.SERVER
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Packet(NamedTuple):
    """One packet, as a reader finds it."""

    at: float
    source: str
    target: str
    sequence: int
    acknowledged: int
    flags: int
    octets: bytes


def read_capture(capture: bytes) -> list[Packet]:
    """A minimal reader of the classic format, which also adds up every checksum, word by word."""
    file = io.BytesIO(capture)
    assert struct.unpack("<IHHiII", file.read(20)) == (0xA1B2C3D4, 2, 4, 0, 0, 65535)
    assert struct.unpack("<I", file.read(4)) == (101,)  # LINKTYPE_RAW
    packets = []
    while header := file.read(16):
        seconds, microseconds, kept, size = struct.unpack("<IIII", header)
        assert kept == size <= 65535
        packets.append(read_packet(seconds + microseconds / 1e6, file.read(size)))
    return packets


def read_packet(at: float, packet: bytes) -> Packet:
    if packet[0] >> 4 == 4:
        assert (packet[0] & 15, packet[9]) == (5, 6)
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        assert add_up(packet[:20]) == 0xFFFF
        source, target, segment = packet[12:16], packet[16:20], packet[20:]
    else:
        assert (packet[0] >> 4, packet[6]) == (6, 6)
        assert int.from_bytes(packet[4:6], "big") == len(packet) - 40
        source, target, segment = packet[8:24], packet[24:40], packet[40:]
    assert add_up(source + target + b"\0\x06" + len(segment).to_bytes(2, "big") + segment) == 0xFFFF
    ports = struct.unpack(">HH", segment[:4])
    sequence, acknowledged, start, flags = struct.unpack(">IIBB", segment[4:14])
    ends = [f"{ipaddress.ip_address(host)} {port}" for host, port in zip((source, target), ports, strict=True)]
    return Packet(at, *ends, sequence, acknowledged, flags, segment[start >> 4 << 2 :])


def add_up(octets: bytes) -> int:
    """The ones' complement sum, with the carry brought round at each step (RFC 1071)."""
    total = 0
    for (word,) in struct.iter_unpack(">H", octets + b"\0" * (len(octets) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def heard(packets: list[Packet], source: str) -> bytes:
    """What the other end makes of one end's packets: each octet at the place its number says, nothing missing."""
    (first,) = [packet.sequence for packet in packets if packet.source == source and packet.flags & SYN]
    stream = bytearray()
    for packet in packets:
        if packet.source == source and not packet.flags & SYN:
            assert (packet.sequence - first - 1) % 2**32 in (len(stream), len(stream) + 1)  # + 1 after the FIN
            stream += packet.octets
    return bytes(stream)


PLACES = {
    "tcp": (Tcp("10.0.0.1", 50001), Tcp("10.0.0.2", 80), "10.0.0.1 50001", "10.0.0.2 80"),
    "IPv6": (Tcp("2001:db8::1", 50001), Tcp("::1", 80), "2001:db8::1 50001", "::1 80"),
    "IPv4 to IPv6": (Tcp("10.0.0.1", 50001), Tcp("::1", 80), None, "::1 80"),
    "ipc": (Ipc(""), Ipc("/run/app.sock"), "127.0.0.1 49153", "127.0.0.1 5555"),
    "gone": (None, Tcp("10.0.0.2", 80), "127.0.0.1 49153", "10.0.0.2 80"),
    "a name": (None, Tcp("localhost", 80), "127.0.0.1 49153", "127.0.0.1 80"),
}


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("first", [0, 2**32 - 10], ids=["from 0", "over the end of the numbers"])
def test_a_conversation_can_be_read_out_of_its_capture(places: str, first: int) -> None:
    client, server, from_client, from_server = PLACES[places]
    flow = Flow(made_up(2, client, server), first)
    question, answer = b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 400
    capture = (
        file_header()
        + records(flow.opening(), 1.0)
        + records(flow.said(CLIENT, question), 1.25)
        + records(flow.said(SERVER, answer), 1.5)
        + records(flow.end(SERVER), 2.0)
        + records(flow.said(CLIENT, b"still"), 2.25)
        + records(flow.end(CLIENT), 2.5)
    )
    packets = read_capture(capture)
    one, other = packets[0].source, packets[0].target
    assert (from_client or one, from_server) == (one, other)
    assert heard(packets, one) == question + b"still"
    assert heard(packets, other) == answer
    assert [packet.flags for packet in packets[:3]] == [SYN, SYN | ACK, ACK]
    assert [packet.at for packet in packets if packet.octets] == [1.25, *[1.5] * 4, 2.25]
    assert max(len(packet.octets) for packet in packets) == SEGMENT
    assert [packet.source for packet in packets if packet.flags & FIN] == [other, one]
    for earlier, later in itertools.pairwise(packets):  # never more acknowledged than was said
        if later.source != earlier.source:
            size = len(earlier.octets) + bool(earlier.flags & (SYN | FIN))
            assert later.acknowledged == (earlier.sequence + size) % 2**32


def test_a_failure_and_a_refusal_are_resets() -> None:
    flow = Flow(made_up(1, None, None))
    capture = file_header() + records([*flow.opening(), *flow.said(CLIENT, b"x"), *flow.death(SERVER)], 0)
    last = read_capture(capture)[-1]
    assert (last.source, last.flags & RST) == ("127.0.0.1 5555", RST)
    syn, refusal = read_capture(file_header() + records(Flow(made_up(1, None, None)).refusal(), 0))
    assert (syn.flags, refusal.flags, refusal.acknowledged) == (SYN, RST | ACK, (syn.sequence + 1) % 2**32)


def test_connections_over_ipc_are_told_apart_by_their_ports() -> None:
    ports = {made_up(number, Ipc(""), Ipc("@app"))[CLIENT].port for number in range(1, 1001)}
    assert len(ports) == 1000
    assert max(made_up(number, None, None)[CLIENT].port for number in (16384, 16385, 10**6)) <= 65535


# ----------------------------------------------------------------------------------------------------------- tshark

tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark (of Wireshark) is not installed")


def ask_tshark(capture: Path, *arguments: str) -> str:
    command = ["tshark", "-n", "-r", str(capture), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


QUESTION = b"POST /a HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"w" * 100_000


@pytest.fixture(params=["tcp", "IPv6", "ipc"])
def capture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    client, server, *_ = PLACES[request.param]
    flow = Flow(made_up(1, client, server))
    path = tmp_path / "http.pcap"
    path.write_bytes(
        file_header()
        + records(flow.opening(), 1.0)
        + records(flow.said(CLIENT, QUESTION), 1.1)
        + records(flow.said(SERVER, ANSWER[:70_000]), 1.2)
        + records(flow.said(SERVER, ANSWER[70_000:]), 1.3)
        + records(flow.end(CLIENT), 1.4)
        + records(flow.end(SERVER), 1.5)
    )
    return path


@tshark
def test_tshark_finds_nothing_odd(capture: Path) -> None:
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    odd = "tcp.analysis.flags or tcp.checksum.status == 0 or ip.checksum.status == 0 or _ws.malformed"
    assert ask_tshark(capture, *checks, "-Y", odd) == ""
    good = ask_tshark(capture, *checks, "-Y", "tcp.checksum.status == 1", "-T", "fields", "-e", "frame.number")
    assert len(good.split()) == len(read_capture(capture.read_bytes()))


@tshark
def test_tshark_follows_the_stream(capture: Path) -> None:
    lines = ask_tshark(capture, "-q", "-z", "follow,tcp,raw,0").splitlines()
    dump = [line for line in lines if line and set(line.strip()) <= set("0123456789abcdef")]
    said = {True: b"", False: b""}
    for line in dump:
        said[line.startswith("\t")] += bytes.fromhex(line)
    assert said == {False: QUESTION, True: ANSWER}


@tshark
def test_tshark_understands_the_http(capture: Path) -> None:
    fields = ["-T", "fields", "-e", "http.request.method", "-e", "http.response.code", "-e", "http.content_length"]
    assert ask_tshark(capture, "-Y", "http", *fields).split() == ["POST", "5", "200", "100000"]


@tshark
def test_tshark_understands_the_zmtp(tmp_path: Path) -> None:
    protocols = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True, timeout=60, check=True)
    if "\tzmtp\n" not in protocols.stdout:
        pytest.skip("this tshark does not know ZMTP (Wireshark from 4.4 on does)")
    flow = Flow(made_up(1, None, None))
    path = tmp_path / "zmtp.pcap"
    path.write_bytes(
        file_header()
        + records(flow.opening(), 1.0)
        + records(flow.said(CLIENT, GREETING + ready(b"PUSH")), 1.1)
        + records(flow.said(SERVER, GREETING + ready(b"PULL")), 1.2)
        + records(flow.said(CLIENT, frame(b"x" * 100_000)), 1.3)
    )
    as_zmtp = ["-d", "tcp.port==5555,zmtp", "-T", "fields", "-e", "frame.number"]
    assert len(ask_tshark(path, *as_zmtp, "-Y", "zmtp").split()) == 3
    assert ask_tshark(path, *as_zmtp, "-Y", "_ws.malformed").split() == []
