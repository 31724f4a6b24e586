"""Packets: what the test process and a libzmq process say to each other through a pipe.

A pipe is a stream of octets, without borders. A packet puts them back: how many parts, then each part with
its size.

    +-------+---------+------+---------+------+- -
    | count | size    | part | size    | part |         count: 4 octets, size: 8 octets, big-endian
    +-------+---------+------+---------+------+- -

Part 0 is a JSON object that says what is wanted or what happened; the other parts are the frames of a
message, as they are: no escaping, so that a frame of 64 MiB costs one copy. There is no pickle: what comes
out is data and never code.

    >>> pack({"call": "send"}, [b"hello", b""])[:24]
    b'\\x00\\x00\\x00\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x10{"call": "se'
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

Header = dict[str, Any]


def pack(header: Header, frames: Sequence[bytes] = ()) -> bytes:
    """One packet as octets."""
    parts = [json.dumps(header).encode(), *frames]
    pieces = [len(parts).to_bytes(4, "big")]
    for part in parts:
        pieces += [len(part).to_bytes(8, "big"), part]
    return b"".join(pieces)


class PacketReader:
    """Octets in, in chunks of any size; packets out.

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
        # Sliced through a memoryview: a slice of a bytearray would be copied once more on its way to bytes.
        with memoryview(self._buffer) as view:
            parts = [bytes(view[start:end]) for start, end in borders]
        del self._buffer[:position]
        return parts
