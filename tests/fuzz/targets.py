"""Invariants for any octets: each target takes octets, and raises AssertionError if one of its invariants fails.

    connection    octets from the stream, with all mechanisms and roles
    traffic       octets after the handshake; with CURVE they are encrypted with the right keys, as by an admitted peer
                  that becomes hostile
    sealed        the same with CURVE only, and some of the boxes are changed on their way
    ws            octets from the stream of a WebSocket: before, in and after the upgrade

    server        and
    response      octets that minihttp receives: see `http_targets`

    trace         both sides of a connection, as a tap between them sees them: see `trace_target`

The first four check that only ProtocolError is raised, that there are at most as many events as octets, that no more is
kept than was received, and that the replies aren't much longer than the input.
"""

from collections.abc import Callable, Iterator

from minizmtp.constants import SocketType
from minizmtp.errors import ProtocolError
from minizmtp.wire import NEED_DATA, AuthReply, AuthRequest, Connection, ConnectionClosed, Error, State
from minizmtp.wire.curve import CurveClient, CurveServer, keypair
from minizmtp.wire.events import Messages, Ping, Pong, SharedMessage
from minizmtp.wire.mechanisms import Mechanism, Null
from minizmtp.wire.plain import PlainClient, PlainServer
from minizmtp.wire.switched import SwitchedConnection
from minizmtp.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, encode_frame
from tests.fuzz import http_targets, trace_target

SERVER, SERVER_SECRET = keypair(b"\x01" * 32)
CLIENT, CLIENT_SECRET = keypair(b"\x02" * 32)
TYPES = [SocketType.PULL, SocketType.XPUB, SocketType.REP, SocketType.DEALER, SocketType.SUB]
PEERS = [SocketType.PUSH, SocketType.SUB, SocketType.REQ, SocketType.ROUTER, SocketType.PUB]
MECHANISMS: list[Callable[[], Mechanism]] = [
    Null,
    lambda: Null(ask=True),
    lambda: PlainClient(b"admin", b"secret"),
    PlainServer,
    lambda: CurveClient(CLIENT, CLIENT_SECRET, SERVER),
    lambda: CurveServer(SERVER_SECRET),
]
OTHER_SIDE = [Null, Null, PlainServer, lambda: PlainClient(b"admin", b"secret"), MECHANISMS[5], MECHANISMS[4]]
VERDICTS = [200, 200, 300, 400]

OPCODES = [BINARY] * 8 + [PING, PING, PONG, PONG, CLOSE, CONTINUATION, TEXT, BINARY]  # by the upper bits of the flags

PINGS = (Ping, Pong)

# The most octets that a Connection may send for its greeting and handshake, in addition to its replies.
MOST_SAID = 1500
UNFINISHED = 5000


def connection(data: bytes) -> None:
    """The first four octets choose the receiving Connection and the cuts; the peer sends the rest."""
    choice, stranger = data[:4].ljust(4, b"\0"), data[4:]
    ours = Connection(
        TYPES[choice[0] % len(TYPES)],
        mechanism=MECHANISMS[choice[1] % len(MECHANISMS)](),
        max_message_size=[-1, 100, 100_000][choice[2] % 3],
        max_unfinished=UNFINISHED,
    )
    if choice[3] & 1:  # because otherwise the fuzzer would have to find the greeting each time
        stranger = ours.data_to_send()[:64] + stranger
    listen(ours, stranger, cut=choice[3] >> 1, verdict=VERDICTS[choice[2] >> 6])


def traffic(data: bytes) -> None:
    """The first octet chooses mechanism and type; the rest are frames of traffic: flags, size, body.

    The fast and the general way of reading return the same events.
    """
    assert heard(data, quick=True) == heard(data, quick=False)


def heard(data: bytes, quick: bool) -> list[object]:
    """The events of the traffic."""
    choice, said = data[:1] or b"\0", data[1:]
    which, kind = choice[0] % len(MECHANISMS), choice[0] // len(MECHANISMS) % len(TYPES)
    ours, theirs = together(which, kind)
    return listen(ours, b"".join(frame_by_frame(theirs, said)), cut=choice[0] >> 4, verdict=200, quick=quick)


def together(which: int, kind: int) -> tuple[Connection, Connection]:
    """Ours and its peer, after the handshake."""
    ours = Connection(TYPES[kind], mechanism=MECHANISMS[which](), max_unfinished=UNFINISHED)
    theirs = Connection(PEERS[kind], mechanism=OTHER_SIDE[which]())
    shake_hands(ours, theirs)
    assert ours.state is theirs.state is State.TRAFFIC
    return ours, theirs


def sealed(data: bytes) -> None:
    """The first octet chooses role, type and cuts; the rest are frames. The highest bit of the flags says that a bit of
    the box is changed, which ends the connection there: what came before is whole, and is the same in both ways."""
    choice, said = data[:1] or b"\0", data[1:]
    which, kind, cut = 4 + (choice[0] & 1), (choice[0] >> 1) % len(TYPES), choice[0] >> 4
    told = []
    for quick in (True, False):
        ours, theirs = together(which, kind)
        told.append(listen(ours, b"".join(frame_by_frame(theirs, said)), cut=cut, verdict=200, quick=quick))
    assert told[0] == told[1]


def ws(data: bytes) -> None:
    """The first four octets choose types and mechanism, the side, where the octets begin, and the cuts. The
    messages are the same, however the octets are cut."""
    choice, said = data[:4].ljust(4, b"\0"), data[4:]
    kind, which, dials = choice[0] % len(TYPES), choice[1] % len(MECHANISMS), choice[1] >> 7
    limit, begins = [-1, 500, 100_000][choice[2] % 3], choice[2] >> 4 & 3
    told = []
    for cut, quick in (0, True), (1 + choice[3], False):
        ours = switch(TYPES[kind], MECHANISMS[which](), bool(dials), limit)
        theirs = switch(PEERS[kind], OTHER_SIDE[which](), not dials)
        stranger = said
        if begins:  # 1: behind the upgrade, 2: behind the handshake, 3: there, as frames with a correct mask
            shake_hands(ours, theirs, 20 if begins > 1 else 1)
        if begins == 3:
            stranger = b"".join(web_frames(theirs, said))
        events = listen(ours, stranger, cut=cut, verdict=200, quick=quick)
        # Pings may overtake messages, and h11 says more of a line that came whole.
        told.append([type(event) if isinstance(event, str) else event for event in events if type(event) not in PINGS])
    assert told[0] == told[1]


def web_frames(theirs: SwitchedConnection, said: bytes) -> Iterator[bytes]:
    """`said` as frames of a WebSocket with a correct mask; an encrypting mechanism encrypts each of them."""
    key = b"mask" if theirs._dials else b""
    while said:
        flags, size = said[0], said[1] if len(said) > 1 else 0
        body, said = said[2 : 2 + size], said[2 + size :]
        if theirs._mechanism.encrypts:
            yield theirs._wrapper.wrap(b"".join(theirs._mechanism.encrypt(flags & 5, [body])))
        else:
            yield encode_frame(bytes([flags & 7]) + body, OPCODES[flags >> 4], key)


def switch(kind: SocketType, mechanism: Mechanism, dials: bool, limit: int = -1) -> SwitchedConnection:
    return SwitchedConnection(
        kind,
        identity=b"",
        mechanism=mechanism,
        max_message_size=limit,
        max_unfinished=UNFINISHED,
        target=("a.example", "/") if dials else None,
    )


def frame_by_frame(theirs: Connection, said: bytes) -> Iterator[bytes]:
    """`said` as frames with any flags; an encrypting mechanism encrypts each of them."""
    while said:
        flags, size = said[0], said[1] if len(said) > 1 else 0
        body, said = said[2 : 2 + size], said[2 + size :]
        if theirs._mechanism.encrypts:
            box = bytearray().join(theirs._mechanism.encrypt(flags & 5, [body]))
            if flags & 0x80:
                box[(flags + 7 * size) % len(box)] ^= 1 << (flags >> 4 & 7)
            yield bytes(box)
        else:
            yield bytes([flags, size]) + body


def shake_hands(one: Connection, other: Connection, rounds: int = 20) -> None:
    """Run the handshake until both are in traffic, or neither has more to send."""
    for _ in range(rounds):
        for speaker, hearer in ((one, other), (other, one)):
            if said := speaker.data_to_send():
                hearer.receive_data(said)
            while (event := hearer.next_event()) is not NEED_DATA:
                if isinstance(event, AuthRequest):
                    hearer.receive_auth_reply(AuthReply(200))


def listen(ours: Connection, stranger: bytes, cut: int, verdict: int, quick: bool = False) -> list[object]:
    """Receive everything in pieces of `cut` octets (0: whole), and then the end. Return the events before an error."""
    said = 0
    told: list[object] = []
    step = cut or len(stranger) or 1
    pieces = [stranger[at : at + step] for at in range(0, len(stranger), step)]
    for piece in [*pieces, b""]:
        ours.receive_data(piece)
        while ours.state is not State.CLOSED:
            try:
                event = ours.next_event(3 if quick else 1)
                if isinstance(event, Messages):
                    told += [[message] if isinstance(message, bytes) else message for message in event.messages]
                    continue
                if isinstance(event, AuthRequest):
                    ours.receive_auth_reply(AuthReply(verdict))
            except ProtocolError as error:
                refused(ours, error)
                told.append(str(error))
                break
            if event is NEED_DATA:
                break
            told.append(event)
            assert len(told) <= 2 * len(stranger) + 10
            if type(event) is list:
                echo(ours, event)
            if isinstance(event, Error):
                break
        assert ours.decoder.held <= len(stranger)
        assert ours._assembler.size <= UNFINISHED + len(stranger)
        said += len(ours.data_to_send())
    assert said <= MOST_SAID + 40 * len(stranger)  # an encrypted PONG has 40 octets, for a frame of at least 8
    assert ours.state is State.CLOSED
    assert ours.next_event() == ConnectionClosed("")
    return told


def refused(ours: Connection, error: ProtocolError) -> None:
    """Check that the error ends the connection, and that its text fits into a log."""
    assert 0 < len(str(error)) < 1000
    assert ours.state is State.CLOSED


def echo(ours: Connection, message: list[bytes]) -> None:
    """Check that every received message can be sent."""
    ours.send(message)
    ours.send(SharedMessage(message))


TARGETS = {
    "connection": connection,
    "traffic": traffic,
    "sealed": sealed,
    "ws": ws,
    "trace": trace_target.trace,
    **http_targets.TARGETS,
}


# ------------------------------------------------------------------------------------------------------------- seeds

# What libzmq 4.3.5 sends after its greeting: a REQ's READY and a request; a PUSH with a PING inside a message; a SUB's
# subscriptions in both forms; both sides of PLAIN, with the misspelt ERROR.
RECORDED = [
    "0426 0552454144590b536f636b65742d54797065000000035245510849 64656e7469747900000000 01000005 68656c6c6f",
    "041a 0552454144590b536f636b65742d547970650000000450555348 010161 0407 0450494e470014 000162",
    "0419 0552454144590b536f636b65742d5479706500000003535542 040b 09535542534352494245 41 00020141"
    "0408 0643414e43454c41",
    "0413 0548454c4c4f0561646d696e06736563726574 0429 08494e4954494154450b536f636b65742d5479706500000003524551"
    "084964656e7469747900000000 01000002 6869",
    "0408 0757454c434f4d45 0419 0552454144590b536f636b65742d5479706500000003524550",
    "0409 5e52524f5203343030",
]


def seeds(target: str) -> list[bytes]:
    """The first inputs: correct conversations, with each mechanism and type."""
    if target in http_targets.TARGETS:
        return http_targets.seeds(target)
    if target == "trace":
        return trace_target.seeds()
    if target == "traffic":
        said = [b"\x00\x05hello", b"\x01\x01a\x04\x07\x04PING\x00\x14\x00\x01b", b"\x04\x0b\tSUBSCRIBEA\x00\x02\x00A"]
        return [bytes([choice]) + words for choice in range(len(MECHANISMS) * len(TYPES)) for words in said]
    if target == "sealed":
        said = [b"\x00\x05hello" * 20, b"\x01\x01a\x04\x07\x04PING\x00\x14\x00\x01b", b"\x00\x01a\x81\x01b\x00\x01c"]
        return [bytes([choice]) + words for choice in range(0, 256, 5) for words in said]
    if target == "ws":
        return list(ws_seeds())
    recorded = [bytes.fromhex(text) for text in RECORDED]
    kinds = [(kind, which) for kind in range(len(TYPES)) for which in range(len(MECHANISMS))]
    return [bytes([kind, which, 0, 1]) + words for kind, which in kinds for words in recorded]


def ws_seeds() -> Iterator[bytes]:
    """From where it begins: the upgrade and what is behind it, frames, frames that are encoded and masked here."""
    frames = [
        bytes.fromhex(text)
        for text in ("82060068656c6c6f", "828601020304016a666f606d", "0203006162800163", "89016182020062", "880203e8")
    ]
    said = [b"\x00\x05hello", b"\x01\x01a\x04\x07\x04PING\x00\x14\x00\x01b", b"\x00\x01a" * 40]
    for which in range(len(MECHANISMS)):
        for dials in (0, 0x80):
            head = bytes([which, which | dials])
            opening = switch(PEERS[which % len(PEERS)], OTHER_SIDE[which](), not dials).data_to_send()
            yield head + b"\x00\x07" + opening
            yield from (head + bytes([begins << 4, 7]) + octets for begins in (1, 2) for octets in frames)
            yield from (head + b"\x30\x07" + words for words in said)
