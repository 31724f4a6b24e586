"""Annotate the bytes of both directions of a connection: each byte belongs to a span with a name and a meaning.

    spans    spans (some octets and their meaning), and the tape that they are cut from
    curve    the contents of CURVE's boxes, if you have the keys
    fields   the name of each field, and its value in words
    naming   splits one side's frames into fields
    zmtp     decodes one side of a ZMTP connection
    ws       the frames of a WebSocket that carries ZMTP
    http     decodes one side of an HTTP/1.1 connection
    both     Trace: the two sides together
    reasons  why each field exists
    records  the greeting, the commands and the messages, and what happens in each
    story    recorded conversations with libzmq, to read and to replay

    >>> from minizmtp.wire.greeting import encode_greeting
    >>> trace = Trace()
    >>> for span in trace.feed(Side.CLIENT, encode_greeting(b"NULL") + b"\\x02!", at=0.0)[:4]:
    ...     print(f"{span.offset:2}  {span.octets.hex():16}  {span.name}: {span.value}")
     0  ff                signature: identifies ZMTP
     1  0000000000000000  padding: ignored
     9  7f                signature: identifies ZMTP 2.0 or later
    10  0301              version: ZMTP 3.1

The annotations can't disagree with what our own sockets read, because both use the same parser. `zmtp` and `http`
explain how. Read the modules in this order.
"""

from .both import Trace
from .curve import Keys
from .spans import KINDS, Side, Span, cover, masked

__all__ = ["KINDS", "Keys", "Side", "Span", "Trace", "cover", "masked"]
