"""Wrong programs: each is a reference solution with one small change, of a kind that real stacks have got wrong.

step, check, expected, old, new: the change in the solution of that step, the check that catches it, and a part of what
the learner is told.
"""

from typing import NamedTuple


class Wrong(NamedTuple):
    step: int
    check: str
    told: str
    old: str
    new: str


WRONG = [
    # Step 1
    Wrong(1, "each-octet-of-the-greeting", "7f in octet 9 (the last octet", r'b"\x7f" + b"\x03', r'b"\x7e" + b"\x03'),
    Wrong(1, "each-octet-of-the-greeting", "00 in octet 16 (the mechanism); came: 20", r'20, b"\0")', r'20, b" ")'),
    Wrong(1, "each-octet-of-the-greeting", "60 octets in", "bytes(32)\n\n", "bytes(28)\n\n"),
    Wrong(1, "each-octet-of-the-greeting", "03 in octet 10 (the major version); came: 02", r"\x03\x00", r"\x02\x00"),
    Wrong(
        1,
        "version-comes-before-ours",
        "at least 11 octets; came: nothing",
        "self.sock.sendall(GREETING)",
        "first = self.sock.recv(64, socket.MSG_PEEK | socket.MSG_WAITALL)\n        self.sock.sendall(GREETING)",
    ),
    Wrong(
        1,
        "greeting-octet-by-octet",
        "the connection to stay open; came: it was closed",
        "while len(octets) < count:",
        "for _ in range(1):",
    ),
    Wrong(1, "later-version", "the connection to stay open; came: it was closed", ">= 3", "== 3"),
    Wrong(
        1,
        "almost-the-mechanism",
        "the connection to be closed",
        "self.read(20) == NAME",
        'self.read(20).rstrip(b"\\0").upper().startswith(b"NULL")',
    ),
    Wrong(
        1,
        "old-version",
        "the end of the connection",
        "expect(self.read(1)[0] >= 3",
        "expect(self.sock.recv(22, socket.MSG_WAITALL)[0] >= 3",
    ),
    Wrong(
        1,
        "stays-open",
        "accept a connection",
        "        sock.close()\n\n\nif",
        "        sock.close()\n        break\n\n\nif",
    ),
    Wrong(
        1,
        "other-mechanism",
        "the connection to be closed; came: it was still open",
        'expect(self.read(20) == NAME, "another mechanism")',
        "self.read(20)",
    ),
    Wrong(
        1,
        "other-padding",
        "the connection to stay open",
        "self.read(9)[8] == 0x7F",
        "self.read(9) == bytes(8) + b'\\x7f'",
    ),
    # Step 2
    Wrong(2, "one-frame", "the line 6869 [hi] on standard output", "if flags & COMMAND:", "if False:"),
    Wrong(
        2,
        "empty-frame-is-a-dash",
        "the line - [] on standard output, flushed; came: an empty line",
        'frame.hex() or "-"',
        "frame.hex()",
    ),
    Wrong(
        2,
        "sizes-of-frames",
        "came: the line - []",
        'if flags & LONG else 1), "big")',
        'if flags & LONG else 1), "big", signed=True)',
    ),
    Wrong(2, "sizes-of-frames", "standard output", 'else 1), "big")', 'else 1), "little")'),
    Wrong(
        2,
        "several-frames",
        "[one, two, three] on standard output; came: the line 6f6e65 [one]",
        "if not flags & MORE:",
        "if True:",
    ),
    Wrong(
        2,
        "commands-are-passed-over",
        "[one, two] on standard output; came: the line 74776f [two]",
        "            if flags & COMMAND:\n                continue",
        "            if flags & COMMAND:\n                frames = []\n                continue",
    ),
    Wrong(2, "one-frame", "flushed; came: nothing in", "flush=True", "flush=False"),
    Wrong(
        2,
        "half-of-a-message",
        "[whole] on standard output; came: the line 68616c66 6f66 77686f6c65 [half, of, whole]",
        "        frames = []\n        while True:",
        "        frames = PARTS\n        while True:",
    ),
    Wrong(
        2,
        "reserved-bits-of-flags",
        "the connection to be closed after 08 02 68 69",
        'expect(not flags & 0xF8, "reserved bits in the flags")',
        "pass",
    ),
    Wrong(
        2,
        "more-on-a-command",
        "the connection to be closed after 05",
        'expect(flags & 5 != 5, "a command with MORE")',
        "pass",
    ),
    Wrong(
        2, "size-beyond-all", "the connection to be closed", 'expect(size < 1 << 63, "a size of 2^63 or more")', "pass"
    ),
    Wrong(2, "all-in-one-write", "nothing", "self.read(32)", "self.sock.recv(4096)"),
    # Step 3
    Wrong(
        3,
        "ready-octet-by-octet",
        "05 in octet 2 (the length of the command's name)",
        "bytes([len(name)]) + name + data, COMMAND",
        "bytes([len(name) + 1]) + name + data, COMMAND",
    ),
    Wrong(
        3,
        "ready-octet-by-octet",
        "00 in octet 20 (the length of the property's value, four octets); came: 04",
        'len(value).to_bytes(4, "big") + value',
        "bytes([len(value)]) + value",
    ),
    Wrong(
        3,
        "ready-octet-by-octet",
        "04 in octet 0 (the flags: COMMAND); came: 00",
        "name + data, COMMAND)",
        "name + data, 0)",
    ),
    Wrong(3, "ready-octet-by-octet", "53 in octet 9 (the property's name)", 'b"Socket-Type"', 'b"socket-type"'),
    Wrong(
        3,
        "names-without-case",
        "the connection to go on; came: the connection was closed",
        "theirs[name.lower()]",
        'expect(name in (b"Socket-Type", b"Identity"), "a property")\n            theirs[name]',
    ),
    Wrong(
        3,
        "large-ready",
        "the connection to go on; came: the connection was closed",
        "        theirs = {}",
        '        expect(len(data) < 250, "too much metadata")\n        theirs = {}',
    ),
    Wrong(
        3,
        "wrong-types",
        "the connection to be closed",
        'kind is None or kind.decode("latin-1") in PARTNERS[self.kind]',
        "True",
    ),
    Wrong(
        3,
        "type-in-small-letters",
        "the connection to be closed",
        'kind.decode("latin-1")',
        'kind.decode("latin-1").upper()',
    ),
    Wrong(3, "value-that-ends-early", "the connection to be closed", "expect(len(data) >= end", "expect(True"),
    Wrong(3, "trailing-octets", "the connection to be closed", "while data:", "while len(data) > 6:"),
    Wrong(
        3,
        "message-before-ready",
        "the connection to be closed",
        "flags & COMMAND and body[:6]",
        "not flags & COMMAND or body[:6]",
    ),
    Wrong(3, "other-command-before-ready", "the connection to be closed", r'body[:6] == b"\x05READY"', "body[0] < 9"),
]
