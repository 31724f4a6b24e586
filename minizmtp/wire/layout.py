r"""Layout: fields of fixed width, one after the other.                              37/ZMTP 3.1, "Formal Grammar"

The RFCs draw most structures as a row of boxes. A layout is such a row as data: the name of each box, and its width in
octets. Decoders (`greeting`, `commands`, `curve`) and the `trace`, which shows what was decoded, use the same layouts:

    >>> PING: Layout = (("ttl", 2), ("context", REST))
    >>> list(split(PING, b"\x00\x14ctx"))
    [('ttl', b'\x00\x14'), ('context', b'ctx')]
    >>> offset(PING, "context"), width((("a", 2), ("b", 30)))
    (2, 32)

If the octets end early, the last fields are short or empty; the caller checks whether that is allowed.

Read next: `greeting`.
"""

from collections.abc import Iterator

# A Field is a name and its octets. A Layout lists names and widths; only the last width may be REST: all octets left.
Field = tuple[str, bytes]
Layout = tuple[tuple[str, int], ...]
REST = -1


def split(layout: Layout, octets: bytes) -> Iterator[Field]:
    """The fields in octets, in order, including empty ones. Octets after the last field are ignored."""
    start = 0
    for name, size in layout:
        end = len(octets) if size == REST else start + size
        yield name, octets[start:end]
        start = end


def width(layout: Layout) -> int:
    """The width in octets of a layout without REST."""
    return sum(size for _, size in layout)


def offset(layout: Layout, name: str) -> int:
    """The offset at which the first field with that name begins."""
    names = [field for field, _ in layout]
    return width(layout[: names.index(name)])
