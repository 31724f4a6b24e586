r"""Layout: fields that stand one behind the other, each of so many octets.         37/ZMTP 3.1, "Formal Grammar"

Most of what the RFCs draw as a row of boxes is just this: a name for each box, and its width. Written down as data it
serves two readers, whoever decodes (`greeting`, `commands`, `curve`) and whoever shows what was decoded (`trace`):

    >>> PING: Layout = (("ttl", 2), ("context", REST))
    >>> list(split(PING, b"\x00\x14ctx"))
    [('ttl', b'\x00\x14'), ('context', b'ctx')]
    >>> offset(PING, "context"), width((("a", 2), ("b", 30)))
    (2, 32)

What is too short is cut where it ends; whether that is allowed is for whoever asked to say.

Above this module: all of `wire` that has fields. Read next: `greeting`.
"""

from collections.abc import Iterator

# A field's name and its octets, and how many it has; REST for all that is left, in the last place only.
Field = tuple[str, bytes]
Layout = tuple[tuple[str, int], ...]
REST = -1


def split(layout: Layout, octets: bytes) -> Iterator[Field]:
    """The fields in octets, in order, the empty ones too. What is behind the last is left out."""
    start = 0
    for name, size in layout:
        end = len(octets) if size == REST else start + size
        yield name, octets[start:end]
        start = end


def width(layout: Layout) -> int:
    """How many octets a layout without REST has."""
    return sum(size for _, size in layout)


def offset(layout: Layout, name: str) -> int:
    """Where the (first) field of that name begins."""
    names = [field for field, _ in layout]
    return width(layout[: names.index(name)])
