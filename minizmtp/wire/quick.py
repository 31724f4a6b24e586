r"""Many messages at a time: the quick twin of `FrameDecoder.next_frame`.                    37/ZMTP 3.1, "Framing"

    00 02 61 61   00 02 62 62   00 02 63 63   00 03 64 64 64   04 …
    └─ all of one size: cut out in one step ─┘  one by one      left to next_frame

A call for each frame is clear, and costs 0.9 µs for 64 octets; one loop with everything at hand costs 0.25, and where
many of one size stand in a row, 0.15. (Measured on 2026-11-25.) What is not quite plain, a command, a frame that is
refused or not whole, is left to the clear twin, and a test sees to it that both find the same.

    >>> decoder = FrameDecoder()
    >>> decoder.receive_data(b"\0\2aa" b"\0\2bb" b"\1\3ccc\0\0" b"\4\5\4PING")
    >>> quick_messages(decoder, 9)
    [[b'aa'], [b'bb'], [b'ccc', b'']]
    >>> quick_messages(decoder, 9), decoder.next_frame()
    ([], (4, b'\x04PING'))

Below this module: `frames`. Above it: `connection`. It can be read alone.
"""

from .frames import LONG, MORE, FrameDecoder

# So many frames are looked at first, and twice as many each time that they are all of one size.
LOOK_AHEAD = 8


def quick_messages(decoder: FrameDecoder, most: int) -> list[list[bytes]]:
    """Whole messages, up to most, as far as they follow each other in what decoder has; [] says: use next_frame. To be
    asked only between two messages."""
    if decoder.body is not None or decoder.later or 0 <= decoder.limit < 255:
        return []
    octets, start = decoder.whole, decoder.position
    held = len(octets)
    found: list[list[bytes]] = []
    message: list[bytes] = []
    look = LOOK_AHEAD
    while start + 1 < held and (flags := octets[start]) <= LONG | MORE:
        size = octets[start + 1]
        end = start + 2 + size
        if flags & LONG:
            size = int.from_bytes(octets[start + 1 : start + 9], "big")
            end = start + 9 + size
            if 0 <= decoder.limit < size:
                break
        elif end + 1 < held and octets[end + 1] == size and not flags and not octets[end] and not message:
            several = equal_frames(octets, start, min(most - len(found), look))
            found += several
            start = decoder.position = start + len(several) * (2 + size)
            look = look * 2 if len(several) == look else LOOK_AHEAD
            if len(found) == most:
                break
            continue
        if end > held:
            break
        message.append(octets[end - size : end])
        start = end
        if not flags & MORE:
            found.append(message)
            decoder.position = end
            if len(found) == most:
                break
            message = []
    return found


def equal_frames(octets: bytes, start: int, most: int) -> list[list[bytes]]:
    r"""Messages of one short frame each that stand in a row and have the same size, from start on, up to most.

    Traffic is often like that, and then nothing has to be done for each frame but to cut it out. If the first has the
    size s, then where the second's header ought to be is known, and the third's … as long as each is what it ought to
    be. All flags are looked at in one step, every (s + 2)th octet, and so are all sizes. (0.1 µs in place of 0.2.)

    >>> equal_frames(b"\0\2aa" b"\0\2bb" b"\0\3ccc", 0, 9)
    [[b'aa'], [b'bb']]
    """
    size = octets[start + 1]
    step = size + 2
    row = min((len(octets) - start) // step, most)
    stop = start + row * step
    wrong = max(len(octets[start:stop:step].lstrip(b"\0")), len(octets[start + 1 : stop : step].lstrip(bytes((size,)))))
    first = start + 2
    return [[octets[at : at + size]] for at in range(first, first + (row - wrong) * step, step)]
