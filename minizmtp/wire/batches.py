r"""Batches: many messages decoded in one step.                                              37/ZMTP 3.1, "Framing"

    00 02 61 61   00 02 62 62   00 02 63 63   00 03 64 64 64   04 …
    └─ all of one size: cut in one step ──┘   one by one      left to next_frame

This is the fast path of `frames`. A message of 64 octets takes about 1 µs there, because each frame is a call or two;
one loop takes 0.2 µs, and a run of messages of one size less than 0.1. Everything else, such as a command or an
incomplete message, is left to `next_frame`, and tests compare the results of both ways.

    >>> decoder = BatchDecoder()
    >>> decoder.receive_data(b"\0\2aa" b"\0\2bb" b"\1\3ccc\0\0" b"\4\5\4PING")
    >>> decoder.next_messages(9)
    [b'aa', b'bb', [b'ccc', b'']]
    >>> decoder.next_messages(9), decoder.next_frame()
    ([], (4, b'\x04PING'))

It can be read alone.
"""

from itertools import chain
from struct import calcsize, iter_unpack

from .events import Message
from .frames import LONG, MORE, FrameDecoder

# A run is looked for in this many messages first, and in eight times as many whenever all of them belong to it. A
# shorter run isn't worth looking for, so the rest of what was read is then cut one by one.
LOOK_AHEAD = 32


class BatchDecoder(FrameDecoder):
    """A FrameDecoder that can return many messages at once."""

    __slots__ = ("is_empty",)
    is_empty: bool  # next_messages, if it has just returned something, has left nothing

    def next_messages(self, most: int) -> list[bytes | Message]:
        """The next messages, at most `most`; a message of one frame is that frame. If this returns [], the caller has
        to use `next_frame`. May only be called between two messages.

        Each frame counts against the allowance. A message of more frames than are allowed is left to `next_frame`,
        because the caller can stop between two frames.
        """
        frames, limit = self.allowance, self.limit
        found: list[bytes | Message] = []
        if frames <= 0 or self.body is not None or self._pending or 0 <= limit < 255:
            return found
        most = min(most, frames)
        octets, start = self._buffer, self._position
        received, look = len(octets), LOOK_AHEAD
        message: list[bytes] = []
        while start + 1 < received and (flags := octets[start]) <= LONG | MORE:
            header, size = 2, octets[start + 1]
            if flags & LONG:
                header, size = 9, int.from_bytes(octets[start + 1 : start + 9], "big")
                if 0 <= limit < size:
                    break
            end = start + header + size
            if end > received:
                break
            body, start = octets[end - size : end], end
            if message or flags & MORE:
                message.append(body)
                if flags & MORE:
                    if len(message) >= frames:
                        break
                    continue
                frames -= len(message)
                if frames <= 0:
                    most = len(found) + 1
                found.append(message)
            else:
                found.append(body)
            begin, self._position = self._position, end
            if look and octets[end : end + 2] == octets[begin : begin + 2]:
                room = most - len(found)
                if message:
                    room = min(room, frames // len(message))
                run = equal_messages(octets, begin, end, min(room, look))
                frames -= len(run) * len(message)
                found += run
                self._position = start = end + len(run) * (end - begin)
                look = look * 8 if len(run) == look else 0 if len(run) < LOOK_AHEAD else LOOK_AHEAD
            message = []
            if len(found) == most:
                break
        self.allowance = frames - len(found)
        self.is_empty = self._position == received
        return found


def equal_messages(octets: bytes, begin: int, end: int, most: int) -> list[bytes] | list[list[bytes]]:
    r"""The run of messages, up to most, that follow the one from begin to end and have its shape: as many frames, of
    the same sizes.

    If a message takes s octets, each octet of a header has to be repeated every s octets. So each of them is compared
    with all its repetitions in one step, by a slice with step s. That shows how long the run is.

    >>> equal_messages(b"\0\2aa" b"\0\2bb" b"\0\2cc" b"\0\3ddd", 0, 4, 9)
    [b'bb', b'cc']
    >>> equal_messages(b"\1\1a\0\2bb" b"\1\1c\0\2dd" b"\1\1e\1\2ff", 0, 7, 9)
    [[b'c', b'dd']]
    """
    step = end - begin
    length = min((len(octets) - end) // step, most)
    form, at = "", begin
    while at < end:
        header, size = 2, octets[at + 1]
        if octets[at] & LONG:
            header, size = 9, int.from_bytes(octets[at + 1 : at + 9], "big")
        for place in range(at, at + header):
            length -= len(octets[place + step : end + length * step : step].lstrip(octets[place : place + 1]))
        form += f"{header}x{size}s"
        at += header + size
    view = memoryview(octets)[end : end + length * step]
    if octets[begin] & MORE:
        return [list(frames) for frames in iter_unpack(form, view)]
    return cut(form, view)


def cut(form: str, octets: bytes | memoryview) -> list[bytes]:
    r"""The bodies of frames of one size. form: the format of one frame for `struct`, with its body as the only field.

    >>> cut("2x3s", b"\0\3aaa\0\3bbb")
    [b'aaa', b'bbb']
    """
    # Sixteen at a time, because `iter_unpack` makes a tuple at each step, which costs as much as a message.
    view, some = memoryview(octets), 16 * calcsize(form)
    whole = len(view) // some * some
    return [
        *chain.from_iterable(iter_unpack(form * 16, view[:whole])),
        *chain.from_iterable(iter_unpack(form, view[whole:])),
    ]
