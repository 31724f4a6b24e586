r"""The encoder: what a socket sends, as octets for one peer, many items at a time.            37/ZMTP 3.1, "Framing"

    aa  bb  [ccc, ""]  Subscribe(d)   ──►   00 02 61 61   00 02 62 62   01 03 63 63 63 00 00   04 …
    └ items of a queue                      └ one buffer, one write

    >>> encoder = Encoder(Mechanism(), peer_version=(3, 1))
    >>> encoder.encode([b"aa", b"bb", [b"ccc", b""], Subscribe(b"d")])
    (4, [b'\x00\x02aa\x00\x02bb\x01\x03ccc\x00\x00\x04\x0b\tSUBSCRIBEd'])

A run of messages of one size is encoded in a single step: all have the same header, so the header is what `bytes.join`
puts between them. Other messages take three to ten times as long.

It can be read alone.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from .commands import encode_traffic
from .events import Cancel, Item, Ping, Pong, Run, SharedMessage, Subscribe
from .frames import COMMAND, MORE, encode_frame, encode_message, frame_header
from .mechanisms import Mechanism

# Copying a frame of this size takes longer than writing it from a buffer of its own.
LARGE = 65536

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
        if self._mechanism.encrypts:
            return self._encrypt(items, room)
        left = iter(items)
        run: list[Any] = list(islice(left, 1))
        if run and type(run[0]) is bytes and (size := len(run[0])) < LARGE:
            header = SHORT[size] if size < 256 else frame_header(size)
            run += islice(left, (room - 1) // (len(header) + size))
            if len(run) == 1 or _all_are_bytes(run, size):
                return len(run), [header + header.join(run)]
        pieces: list[bytes] = []
        number = 0
        for item in chain(run, left):
            frames = _frames_of(item)
            if frames and len(frames[-1]) >= LARGE:
                if number:
                    break
                *front, last = frames
                return 1, [b"".join([encode_frame(frame, MORE) for frame in front]) + frame_header(len(last)), last]
            if not frames or type(item) is SharedMessage:
                pieces.append(self._encode_other(item))
                room -= len(pieces[-1])
            else:
                for frame in frames:
                    size = len(frame)
                    pieces += SHORT_MORE[size] if size < 256 else frame_header(size, MORE), frame
                    room -= size + len(pieces[-2])
                pieces[-2] = frame_header(size)
            number += 1
            if room <= 0:
                break
        return number, [b"".join(pieces)]

    def _encrypt(self, items: Iterable[Item | Ping | Pong], room: int) -> Encoded:
        """`encode` for a mechanism that encrypts: many messages of one frame are one call of it."""
        encrypt, overhead = self._mechanism.encrypt, self._mechanism.overhead
        pieces: list[bytes] = []
        run: list[bytes] = []
        number = 0
        for item in items:
            if type(item) is bytes and (size := len(item)) < LARGE:
                run.append(item)
                size += overhead
                room -= size + 2 if size < 256 else size + 9
            else:
                frames = _frames_of(item)
                is_large = frames and len(frames[-1]) >= LARGE
                if is_large and number:
                    break
                pieces += encrypt(0, run)
                run.clear()
                added = encrypt(MORE, frames[:-1]) + encrypt(0, frames[-1:]) if frames else [self._encode_other(item)]
                if is_large:
                    return 1, [b"".join(added[:-1]), added[-1]]
                pieces += added
                room -= sum(map(len, added))
            number += 1
            if room <= 0:
                break
        return number, [b"".join(pieces + encrypt(0, run))]

    def _encode_other(self, item: Item | Ping | Pong) -> bytes:
        if isinstance(item, SharedMessage):
            if item.octets is None:
                item.octets = encode_message(item)
            return item.octets
        assert isinstance(item, (Subscribe, Cancel, Ping, Pong))
        flags, body = COMMAND, encode_traffic(item)
        if isinstance(item, (Subscribe, Cancel)) and not self._has_subscribe:
            flags, body = 0, (b"\1" if isinstance(item, Subscribe) else b"\0") + item.prefix
        if self._mechanism.encrypts:
            return b"".join(self._mechanism.encrypt(flags, [body]))
        return encode_frame(body, flags)

    def encode_run(self, run: Run) -> bytes:
        """All messages of a run. It must not grow any more, because the octets are kept in it for its other peers."""
        if self._mechanism.encrypts:
            return self._encode_list(run.messages)
        if run.octets is None:
            run.octets = self._encode_list(run.messages)
        return run.octets

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


def _frames_of(item: Item | Ping | Pong) -> Sequence[bytes]:
    """The frames of a message; none if the item isn't a message."""
    if type(item) is bytes:
        return (item,)
    return item if isinstance(item, list) else ()
