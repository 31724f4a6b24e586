r"""Z85: binary data as text, safe in source code, in a shell and in mail.                                    RFC 32/Z85

Four octets, read as one number, become five digits of base 85:

    86 4f d2 6f   =   2253378159   =   17 14 21 21 24   →   H e l l o

    >>> encode(bytes.fromhex("864fd26fb559f75b"))
    b'HelloWorld'
    >>> decode(b"HelloWorld").hex()
    '864fd26fb559f75b'

The base is 85 because 85⁵ is just above 2³²: five characters hold four octets, while hexadecimal needs eight. For the
same reason some groups of five characters stand for numbers above 2³². They are refused, and so is every character that
isn't in the alphabet, because a mistyped key should not decode to another key (32-5).

    >>> decode(b"#####")
    Traceback (most recent call last):
    ValueError: characters 1 to 5 stand for more than four octets can hold (32/Z85)

The errors name a position but show no characters, because the text may be a secret key.

CURVE keys are written in Z85: 32 octets, 40 characters. It can be read alone.

Try it: in `encode`, write `(0, 1, 2, 3, 4)` for `(4, 3, 2, 1, 0)`. Each group of five characters is turned around, and
the first example prints olleHdlroW.
"""

ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def encode(data: bytes) -> bytes:
    """Encode octets as Z85. Raises ValueError if their number isn't divisible by 4 (32-1)."""
    if len(data) % 4:
        raise ValueError(f"{len(data)} octets: Z85 needs a multiple of 4; pad them in a way that both sides know")
    text = bytearray()
    for start in range(0, len(data), 4):
        number = int.from_bytes(data[start : start + 4], "big")
        text += bytes(ALPHABET[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return bytes(text)


def decode(text: bytes | str) -> bytes:
    """Decode Z85. Raises ValueError if the length isn't divisible by 5, for a character outside the alphabet, and for
    a group above 2³² - 1."""
    characters = text.encode() if isinstance(text, str) else text
    if len(characters) % 5:
        raise ValueError(f"{len(characters)} characters: Z85 needs a multiple of 5")
    data = bytearray()
    for start in range(0, len(characters), 5):
        data += _decode_group(characters, start)
    return bytes(data)


def _decode_group(characters: bytes, start: int) -> bytes:
    number = 0
    for place in range(start, start + 5):
        if (value := _VALUES.get(characters[place])) is None:
            raise ValueError(f"character {place + 1} is not in the Z85 alphabet (32/Z85)")
        number = number * 85 + value
    if number >= 2**32:
        raise ValueError(f"characters {start + 1} to {start + 5} stand for more than four octets can hold (32/Z85)")
    return number.to_bytes(4, "big")
