"""Packets: the messages between the test process and a libzmq process, through a pipe.

A pipe is a stream of octets without boundaries. A packet starts with the number of its parts, and each part with its
size.

    +-------+---------+------+---------+------+- -
    | count | size    | part | size    | part |         count: 4 octets, size: 8 octets, big-endian
    +-------+---------+------+---------+------+- -

Part 0 is a JSON object with a request, a reply or an event. The other parts are the frames of a message, without
escaping, so a frame of 64 MiB is copied once. The format isn't pickle, because a packet must never be run as code.

    >>> pack({"call": "send"}, [b"hello", b""])[:24]
    b'\\x00\\x00\\x00\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x10{"call": "se'
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Header = dict[str, Any]


def pack(header: Header, frames: Sequence[bytes] = ()) -> bytes:
    """Encode one packet."""
    parts = [json.dumps(header).encode(), *frames]
    pieces = [len(parts).to_bytes(4, "big")]
    for part in parts:
        pieces += [len(part).to_bytes(8, "big"), part]
    return b"".join(pieces)


class PacketReader:
    """Takes octets in chunks of any size, and yields packets.

    >>> reader = PacketReader()
    >>> for octet in pack({"id": 1}, [b"ab"]):
    ...     reader.feed(bytes([octet]))
    >>> list(reader)
    [({'id': 1}, [b'ab'])]
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def __iter__(self) -> Iterator[tuple[Header, list[bytes]]]:
        while (parts := self._take()) is not None:
            yield json.loads(parts[0]), parts[1:]

    def _take(self) -> list[bytes] | None:
        """The parts of the first packet, or None while it is not complete."""
        if len(self._buffer) < 4:
            return None
        position = 4
        borders = []
        for _ in range(int.from_bytes(self._buffer[:4], "big")):
            if len(self._buffer) < position + 8:
                return None
            size = int.from_bytes(self._buffer[position : position + 8], "big")
            borders.append((position + 8, position + 8 + size))
            position += 8 + size
        if len(self._buffer) < position:
            return None
        # Slice a memoryview, because slicing the bytearray would copy the octets once more.
        with memoryview(self._buffer) as view:
            parts = [bytes(view[start:end]) for start, end in borders]
        del self._buffer[:position]
        return parts
