"""`bytes`: one request and one reply, over HTTP and over REQ/REP, with a name for each octet on the wire.

    client ──► Relay, 40 ms each way ──► server          "hello" →   ← "world"

The relay between the two ends records, and `minizmtp.trace` names the octets. The 40 ms show which side waits for the
other: without a delay, both greetings, both READYs and the request would appear to leave at the same time.

Read next: `waiting`.
"""

from typing import NamedTuple

import h11

import minihttp

from ..constants import SocketType
from ..sockets.context import Context
from ..sockets.socket import Socket
from ..trace import Side, Trace, cover
from ..trace.http import reader_of_answer, reader_of_questions
from .ends import endpoint, http_server, port_of, recorded, url
from .relay import ANYWHERE, Chunk, Recording
from .stage import Stage

LATENCY = 0.04
REQUEST, REPLY = b"hello", b"world"


class Talk(NamedTuple):
    """first: the recording up to the first reply. then: what a second request and reply added."""

    replies: list[bytes]
    first: Recording
    then: Recording

    @property
    def began(self) -> float:
        """The time of the client's first octet."""
        return self.first_by(Side.CLIENT).at

    def first_by(self, side: Side) -> Chunk:
        return next(chunk for chunk in self.first.chunks if chunk.side is side)

    @property
    def round_trips(self) -> int:
        """The round trips before the request: the writes that had to arrive at one end before the other end could send
        the next, counted back from the request. Durations aren't used, because a busy machine may take any time."""
        moment, count = [chunk for chunk in self.first.chunks if chunk.side is Side.CLIENT][-1].at, 0
        while (answer := self._heard(Side.SERVER, moment)) and (question := self._heard(Side.CLIENT, answer.at)):
            moment, count = question.at, count + 1
        return count

    def _heard(self, side: Side, moment: float) -> Chunk | None:
        """The last chunk of a side that had arrived at the other end by then."""
        come = [chunk for chunk in self.first.chunks if chunk.side is side and chunk.at + LATENCY <= moment]
        return come[-1] if come else None

    @property
    def server_waited(self) -> bool:
        """Whether the client's first octet had arrived when the server sent its own."""
        return self.first_by(Side.SERVER).at >= self.began + LATENCY


async def run(stage: Stage) -> None:
    """Show both conversations octet by octet, and then compare them."""
    stage.say(f"""A client sends "hello" and a server answers "world", with both protocols over TCP. A relay between the
        two ends records every octet and delays it by {LATENCY * 1000:.0f} ms, like a connection to another
        continent.""")
    stage.say("""Each octet has its offset, its value in hex and as text, its meaning, and the RFC and section that
        define it (9112 and 9110 are HTTP; 37 is ZMTP, 28 its request-reply).""")
    http, zmtp = await over_http(), await over_reqrep()
    stage.title("HTTP/1.1")
    stage.say("""A request is a head, lines of text, then a blank line and a body. So is a response.""")
    show(stage, "HTTP", http.first)
    stage.claim("h11 reads the same start lines, fields and bodies out of these octets", h11_agrees(http.first))
    stage.title("REQ and REP, over ZMTP")
    stage.say("""Each side begins with a greeting of 64 octets. After that, everything is sent in frames: flags, size,
        body. A command is a frame from library to library, such as READY, which names the socket type and ends the
        handshake. A message is one or more frames from program to program.""")
    show(stage, "REQ/REP", zmtp.first)
    stage.title("The second request and reply, over ZMTP")
    stage.say("""Over HTTP/1.1, the second exchange has the same form and the same size as the first. Over ZMTP, the
        greeting and READY belong to the connection and not to a message, so only the messages are left:""")
    stage.conversation("The second REQ/REP", traced(zmtp.first, zmtp.then), since=len(zmtp.first.chunks))
    stage.claim(f"these are all {zmtp.then.octets} octets of the second request and reply", zmtp.then.octets == 18)
    stage.title("Side by side")
    compare(stage, http, zmtp)
    stage.lesson("""HTTP/1.1 describes itself in every request. ZMTP does so once for each connection, with greeting and
        READY, and from then on a message is little more than its body. HTTP says on the wire which message is the
        request and which is the response. In ZMTP they are two messages like any others, and only the two sockets know
        that they belong together. The delimiter in front of each is the only sign of it: addresses for the way back
        would stand before it, but there is no broker here, so there are none.""")


# -------------------------------------------------------------------------------------------- the two conversations


async def over_http() -> Talk:
    """POST, twice, on one connection that is kept open."""

    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=REPLY if await request.aread() == REQUEST else b"what?")

    replies, recordings = [], []
    async with (
        http_server(answer) as port,
        recorded(port, LATENCY) as relay,
        minihttp.AsyncClient(base_url=url(relay.port)) as client,
    ):
        for _ in range(2):
            replies.append((await client.post("/", content=REQUEST)).content)
            recordings.append(take(relay.recording))
    return Talk(replies, *recordings)


async def over_reqrep() -> Talk:
    """REQ and REP, twice, on the one connection that they have."""
    async with Context() as ctx:
        rep = ctx.socket(SocketType.REP, linger=0)
        rep.bind(ANYWHERE)
        async with recorded(port_of(rep.last_endpoint), LATENCY) as relay:
            req = ctx.socket(SocketType.REQ, linger=0)
            req.connect(endpoint(relay))
            return await ask_twice(req, rep, relay.recording)


async def ask_twice(req: Socket, rep: Socket, recording: Recording) -> Talk:
    """Two requests and their replies, which are recorded."""
    replies, recordings = [], []
    for _ in range(2):
        await req.send(REQUEST)
        await rep.send(REPLY if await rep.recv() == REQUEST else b"what?")
        replies.append(await req.recv())
        recordings.append(take(recording))
    return Talk(replies, *recordings)


def take(recording: Recording) -> Recording:
    """Move what has passed until now into a recording of its own."""
    taken = Recording()
    taken.chunks, recording.chunks = recording.chunks, []
    taken.connections = recording.connections
    return taken


# -------------------------------------------------------------------------------------------------------- every octet


def show(stage: Stage, title: str, recording: Recording) -> None:
    """Show the whole recording, in order."""
    trace = traced(recording)
    stage.conversation(title, trace)
    stage.claim(
        f"""these are all {recording.octets} octets that crossed the wire for one request and one reply, each named
        once, in order""",
        all(cover(trace.spans(side), recording.said(side)) for side in Side),
    )


def traced(*recordings: Recording) -> Trace:
    """The trace of one connection, from its recordings one after another."""
    trace = Trace()
    for chunk in [chunk for recording in recordings for chunk in recording.chunks]:
        trace.feed(chunk.side, chunk.octets, chunk.at)
    return trace


def h11_agrees(recording: Recording) -> bool:
    """Whether h11's events, encoded again, give exactly these octets. Then the trace has added nothing to them."""
    return all(as_octets(read_http(recording.said(side), side)) == recording.said(side) for side in Side)


def read_http(octets: bytes, side: Side) -> list[h11.Event]:
    """h11's events for the one message in octets."""
    reader = reader_of_questions() if side is Side.CLIENT else reader_of_answer(None)
    reader.receive_data(octets)
    events: list[h11.Event] = []
    while isinstance(event := reader.next_event(), h11.Event):
        events.append(event)
    return [event for event in events if not isinstance(event, h11.EndOfMessage)]


def as_octets(events: list[h11.Event]) -> bytes:
    """Encode one message from h11's events by hand: start line, fields, blank line, body."""
    head, *data = events
    if isinstance(head, h11.Request):
        lines = [b"%s %s HTTP/%s" % (head.method, head.target, head.http_version)]
    else:
        assert isinstance(head, h11.Response)
        lines = [b"HTTP/%s %d %s" % (head.http_version, head.status_code, head.reason)]
    lines += [b"%s: %s" % field for field in head.headers.raw_items()]
    body = b"".join(bytes(event.data) for event in data if isinstance(event, h11.Data))
    return b"\r\n".join([*lines, b"", body])


# --------------------------------------------------------------------------------------------------------- comparison


def compare(stage: Stage, http: Talk, zmtp: Talk) -> None:
    """Compare both in figures, and make the four claims that follow."""
    both = (http, zmtp)
    stage.table(
        ["", ">HTTP/1.1", ">REQ/REP"],
        [
            ["octets, client → server", *(str(len(it.first.said(Side.CLIENT))) for it in both)],
            ["octets, server → client", *(str(len(it.first.said(Side.SERVER))) for it in both)],
            ["of these, what the programs sent", *(str(len(REQUEST + REPLY)) for _ in both)],
            ["octets of a second request and reply", *(str(it.then.octets) for it in both)],
            ["who spoke first", *("the client" if it.server_waited else "both at once" for it in both)],
            ["round trips before the request leaves", *(str(it.round_trips) for it in both)],
        ],
    )
    stage.claim(
        'each request, "hello", got its reply, "world"', all(reply == REPLY for it in both for reply in it.replies)
    )
    stage.claim(
        "an HTTP server sends nothing before a request; a ZMTP server greets before the client has sent anything",
        http.server_waited and not zmtp.server_waited,
    )
    stage.claim(
        """an HTTP request leaves at once; the first ZMTP message waits for the peer's READY, one round trip""",
        (http.round_trips, zmtp.round_trips) == (0, 1),
    )
    stage.claim(
        f"""a second request and reply on the same connection cost HTTP/1.1 as much as the first ({http.then.octets}
        octets), and ZMTP only {zmtp.then.octets}: flags and size of two delimiters and two bodies, and the bodies""",
        http.then.octets == http.first.octets and zmtp.then.octets == len(REQUEST + REPLY) + 4 * 2,
    )
