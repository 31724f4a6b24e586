"""TLS: a stream that encrypts, for wss://.                                                RFC 8446; RFC 6455, section 3

    stream.try_send(octets)    ──► SSLObject ──► outgoing ──► the system
    stream.try_receive()       ◄── SSLObject ◄── incoming ◄── the system

    await secure(stream, options, hostname="server.example")        → TlsStream

Python's `ssl` can work without a socket: an SSLObject reads records from one buffer in memory and writes them to
another. So a TlsStream has the methods of a `Stream`, none of them waits, and the engine does not know the difference.
Only the handshake waits, and it is done before there is an engine.

The system may take only a part of an encrypted record. Then the stream reports one octet less than it has encrypted:
while an octet seems to be unsent, the writer comes back, and the rest of the record is sent.

Read next: `looking`, or `engine` at once.
"""

import errno
import math
import ssl
from contextlib import suppress
from typing import Final

import trio

from ..options import Options
from ..wire import Connection
from .endpoints import Ws
from .parting import QUIET, REFUSED_OCTETS, part
from .transports import READ_SIZE, Stream, dial

# Octets that are encrypted in one call of try_send. More would only wait in memory.
MOST_AT_ONCE = 1 << 18


class TlsStream(Stream):
    """below: the stream of the octets that are encrypted. tls: its handshake is done.

    An octet that is owed stands for the message that it ends: after the connection, the writer gives that back, to be
    sent again. So the octets of it that are encrypted already leave by `try_send`, which tells the writer, or not at
    all: reading and closing keep them.
    """

    __slots__ = ("_incoming", "_outgoing", "_owed", "_tls", "_unsent")

    def __init__(self, below: Stream, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        super().__init__(below._socket, below.peer_address)
        self._tls: Final = tls
        self._incoming: Final = incoming
        self._outgoing: Final = outgoing
        self._unsent = b""  # encrypted octets that the system has not taken
        self._owed = 0  # octets that are encrypted and have not been reported as taken: 0 or 1

    def try_receive(self) -> bytes | None:
        data = super().try_receive()
        if data:
            self._incoming.write(data)
        pieces, is_over = list[bytes](), data == b""
        try:
            # All that can be decrypted now, because no selector reports what is in memory.
            while piece := self._tls.read(READ_SIZE):
                pieces.append(piece)
            is_over = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            is_over = True
        if not self._owed:
            with suppress(OSError):  # what has come is passed on first; the next read or write finds out
                self._flush()  # such as the answer to a key update
        found = b"".join(pieces)
        return found if found or is_over else None

    def try_receive_into(self, connection: Connection, most: int = 0) -> int | None:
        data = self.try_receive()
        if data is not None:
            connection.receive_data(data)
        return data if data is None else len(data)

    def try_send(self, data: bytes | bytearray | memoryview, *more: bytes) -> int:
        if not self._flush():
            return 0
        # Cut before they are joined, because the rest of a large message comes here many times.
        octets = memoryview(b"".join([buffer[:MOST_AT_ONCE] for buffer in (data, *more)]))[:MOST_AT_ONCE]
        taken, self._owed = self._owed, 0
        while taken < len(octets):
            taken += self._tls.write(octets[taken:])
        if not self._flush():
            self._owed = 1
        return taken - self._owed

    def _flush(self) -> bool:
        """True if the system has taken all that is encrypted."""
        octets = self._unsent + self._outgoing.read()
        while octets and (count := super().try_send(octets)):
            octets = octets[count:]
        self._unsent = octets
        return not octets

    def send_eof(self) -> None:
        self._say_goodbye()
        super().send_eof()

    def close(self) -> None:
        """Say that it is the end, if there is room for it, and close."""
        if self._socket.fileno() != -1:
            self._say_goodbye()
        super().close()

    def _say_goodbye(self) -> None:
        if not self._owed:
            with suppress(OSError):
                with suppress(ssl.SSLWantReadError):
                    self._tls.unwrap()
                self._flush()


async def dial_wss(endpoint: Ws, options: Options) -> TlsStream:
    """Try once to connect, and to shake hands within handshake_ivl. Raises OSError."""
    return await secure(await dial(endpoint, options), options, hostname=endpoint.at.host)


async def secure(stream: Stream, options: Options, *, hostname: str | None = None) -> TlsStream:
    """Shake hands over this stream within handshake_ivl. hostname: of the server, whose certificate has to name it;
    None if we are the server.

    Raises OSError; the stream is closed then.
    """
    try:
        with trio.move_on_after(options.handshake_ivl / 1000 or math.inf):
            return await _shake_hands(stream, options.ssl_context or ssl.create_default_context(), hostname)
        raise OSError(errno.ETIMEDOUT, f"no TLS handshake within {options.handshake_ivl} ms (handshake_ivl)")
    except BaseException:
        stream.close()
        raise


async def _shake_hands(stream: Stream, context: ssl.SSLContext, hostname: str | None) -> TlsStream:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=hostname is None, server_hostname=hostname)
    while True:
        try:
            tls.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            is_done = False
        except ssl.SSLError as error:
            with suppress(OSError), trio.move_on_after(QUIET):
                stream.try_send(outgoing.read())  # the alert, which says why
                stream.send_eof()
                await part(stream, REFUSED_OCTETS)
            raise OSError(0, f"the TLS handshake failed: {error.strerror or error}") from None
        octets = outgoing.read()
        while octets := octets[stream.try_send(octets) :]:
            await stream.wait_sendable()
        if is_done:
            return TlsStream(stream, tls, incoming, outgoing)
        while (data := stream.try_receive()) is None:
            await stream.wait_receivable()
        if not data:
            raise OSError(errno.ECONNRESET, "closed by the peer in the TLS handshake")
        incoming.write(data)
