"""Every octet that crossed a wire, and its name: from the bytes of both directions of a connection to spans.

    spans    a stretch of octets and what it means; the tape that they are cut from
    curve    what is inside CURVE's boxes, for whoever has the keys
    fields   what each field is called, and what it says
    naming   one side's frames, taken apart
    zmtp     one side of a ZMTP connection, overheard
    http     one side of an HTTP/1.1 connection, overheard
    both     Trace: the two sides together
    story    recorded conversations with libzmq, to read and to replay

    >>> from minizmtp.wire.greeting import encode_greeting
    >>> trace = Trace()
    >>> for span in trace.feed(Side.CLIENT, encode_greeting(b"NULL") + b"\\x02!", at=0.0)[:4]:
    ...     print(f"{span.offset:2}  {span.octets.hex():16}  {span.name}: {span.value}")
     0  ff                signature: this is ZMTP
     1  0000000000000000  padding: carries no meaning
     9  7f                signature: and not as old as ZMTP 1.0
    10  0301              version: ZMTP 3.1

There is no second parser here, so the names cannot disagree with what our own sockets read. See `zmtp` and `http` for
how. Read them in this order.
"""

from .both import Trace
from .curve import Keys
from .spans import KINDS, Side, Span, cover, masked

__all__ = ["KINDS", "Keys", "Side", "Span", "Trace", "cover", "masked"]
