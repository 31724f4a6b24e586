r"""The encoder: what a socket sends, as octets for one peer, many items at a time.            37/ZMTP 3.1, "Framing"

    aa  bb  [ccc, ""]  Subscribe(d)   ──►   00 02 61 61   00 02 62 62   01 03 63 63 63 00 00   04 …
    └ items of a queue                      └ one buffer, one write

    >>> encoder = Encoder(Mechanism(), peer_version=(3, 1))
    >>> encoder.encode([b"aa", b"bb", [b"ccc", b""], Subscribe(b"d")])
    (4, [b'\x00\x02aa\x00\x02bb\x01\x03ccc\x00\x00\x04\x0b\tSUBSCRIBEd'])

A run of messages of one size is encoded in a single step: all have the same header, so the header is what `bytes.join`
puts between them. Messages of other sizes take three times as long, and those of several frames ten times.

It can be read alone.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from .commands import encode_traffic
from .events import Cancel, Item, Join, Leave, Ping, Pong, Run, SharedMessage, Subscribe
from .frames import COMMAND, LONG, MORE, encode_message, frame_header
from .mechanisms import Mechanism

# Copying a frame of this size takes longer than writing it from a buffer of its own.
LARGE = 65536

# To look whether all items have one size takes a third of the time to encode them one by one, so a few come first.
LOOK_AHEAD = 32

# The headers of short frames, by size.
SHORT = [frame_header(size) for size in range(256)]
SHORT_MORE = [frame_header(size, MORE) for size in range(256)]

Encoded = tuple[int, list[bytes]]  # how many items, and the buffers to send for them, in this order


class Encoder:
    """peer_version: of the greeting. A peer of ZMTP 3.0 doesn't know SUBSCRIBE and CANCEL, and is sent the messages
    that 3.0 has for them: one frame, 01 or 00 and the prefix (37-58)."""

    __slots__ = ("_has_subscribe", "_mechanism")

    def __init__(self, mechanism: Mechanism, peer_version: tuple[int, int]) -> None:
        self._mechanism = mechanism
        self._has_subscribe = peer_version >= (3, 1)

    def encode(self, items: Iterable[Item | Ping | Pong], room: int = sys.maxsize) -> Encoded:
        """Encode the first items, as many as fill room octets.

        All are joined into one buffer, except that a large last frame is a buffer of its own, because then it isn't
        copied. A message with such a frame is encoded alone.
        """
        encrypts, overhead, left = self._mechanism.encrypts, self._mechanism.overhead, iter(items)
        run: list[Any] = list(islice(left, 1))
        if run and type(run[0]) is bytes and len(run[0]) < LARGE:
            size = len(run[0]) + overhead
            header = SHORT[size] if size < 256 else frame_header(size)
            more = (room - 1) // (len(header) + size)
            run += islice(left, min(more, LOOK_AHEAD))
            if len(run) > LOOK_AHEAD and _all_are_bytes(run, len(run[0])):
                run += islice(left, more - LOOK_AHEAD)
            if len(run) == 1 or _all_are_bytes(run, len(run[0])):
                return len(run), [b"".join(self._mechanism.encrypt(0, run)) if encrypts else header + header.join(run)]
        pieces: list[bytes] = []
        number = 0
        for item in chain(run, left):
            if type(item) is bytes and len(item) < LARGE:
                size = len(item) + overhead
                header = SHORT[size] if size < 256 else frame_header(size)
                pieces += self._mechanism.encrypt(0, [item]) if encrypts else (header, item)
                room -= len(header) + size
            else:
                last = item[-1] if isinstance(item, list) else item
                is_large = type(last) is bytes and len(last) >= LARGE
                if is_large and number:
                    break
                added = self._pieces(item)
                if is_large:
                    return 1, [b"".join(added[:-1]), added[-1]]
                pieces.append(b"".join(added))
                room -= len(pieces[-1])
            number += 1
            if room <= 0:
                break
        return number, [b"".join(pieces)]

    def _pieces(self, item: Item | Ping | Pong) -> list[bytes]:
        """One item: header, body, header, body, and so on. A large body isn't copied."""
        encrypts = self._mechanism.encrypts
        if isinstance(item, list):
            if encrypts:
                return self._mechanism.encrypt(MORE, item[:-1]) + self._mechanism.encrypt(0, item[-1:])
            if isinstance(item, SharedMessage) and len(item[-1]) < LARGE:
                if item.octets is None:
                    item.octets = encode_message(item)
                return [item.octets]
            pieces: list[bytes] = []
            for frame in item:
                pieces += SHORT_MORE[len(frame)] if len(frame) < 256 else frame_header(len(frame), MORE), frame
            pieces[-2] = SHORT[len(frame)] if len(frame) < 256 else frame_header(len(frame))
            return pieces
        flags, body = 0, item
        if isinstance(item, (Subscribe, Cancel)) and not (self._has_subscribe or isinstance(item, (Join, Leave))):
            body = (b"\1" if isinstance(item, Subscribe) else b"\0") + item.prefix
        elif isinstance(item, (Subscribe, Cancel, Ping, Pong)):
            flags, body = COMMAND, encode_traffic(item)
        assert isinstance(body, bytes)
        return self._mechanism.encrypt(flags, [body]) if encrypts else [frame_header(len(body), flags), body]

    def encode_run(self, run: Run) -> bytes:
        """All messages of a run. It must not grow any more, because the octets are kept in it for its other peers."""
        if self._mechanism.encrypts:  # for this peer alone
            return self._encode_list(run.messages)
        if run.octets is None:
            run.octets = self._encode_list(run.messages)
        return run.octets

    def goodbye(self) -> bytes:
        """What is sent before we close the stream, if nothing else waits. ZMTP has no words for it."""
        return b""

    def next_frame_end(self, octets: bytes, at: int) -> int:
        """Where the frame ends that begins at this offset of what `encode` has returned."""
        if octets[at] & LONG:
            return at + 9 + int.from_bytes(octets[at + 1 : at + 9], "big")
        return at + 2 + octets[at + 1]

    def _encode_list(self, left: Sequence[Item]) -> bytes:
        pieces: list[bytes] = []
        while left:
            count, buffers = self.encode(left)
            pieces += buffers
            left = left[count:]
        return b"".join(pieces)


def _all_are_bytes(items: list[Any], size: int) -> bool:
    """Are all items bytes of that size?"""
    return list(map(type, items)).count(bytes) == len(items) == list(map(len, items)).count(size)
