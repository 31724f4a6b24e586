"""`pubsub`: a pattern that HTTP lacks. A publisher sends once, and all subscribers receive the message.

                  ┌── SUBSCRIBE "eu." ─────────── Ann            GET /news/0/Ann ──►
    the news  PUB ┼── SUBSCRIBE "us." ─────────── Ben            ◄── 204, nothing new       … and again,
                  └── SUBSCRIBE "eu.lisbon" ───── Cleo           GET /news/0/Ann ──►          and again
                                "us."                            ◄── 200, eu.lisbon sun

The same news, at the same interval, for the same three readers, once over PUB and SUB and once over HTTP, where the
readers have to poll. Relays count the cost of each.

Read next: `patterns`.
"""

from statistics import median
from typing import NamedTuple

import trio

import minihttp

from ..constants import SocketType
from ..sockets.context import Context
from ..sockets.socket import Socket
from ..trace import Side
from .blocks import Lane, Stretch, Timeline
from .ends import call_until_heard, endpoint, http_server, port_of, recorded, url
from .relay import ANYWHERE, Recording
from .stage import Stage

NEWS = ["eu.lisbon sun", "us.boston snow", "asia.tokyo wind", "eu.paris rain", "us.boston sleet", "eu.lisbon fog"]
READERS = {"Ann": ["eu."], "Ben": ["us."], "Cleo": ["eu.lisbon", "us."]}

RHYTHM = 0.1  # seconds between two pieces of news
POLL = 0.02  # seconds between a response and the next request

# The topic of test messages, to which all readers subscribe too.
DESK, CALL, END = "!", b"!are you there?", b"!that is all"


LEGEND = {"wait": "a question, in vain", "mark": "a piece of news"}


class Newsroom:
    """Makes the news, and records which reader got what, and when.

    got: the news of each reader. ages: the age of each piece in seconds when it reached its reader. answers: the status
    codes of HTTP responses. lanes: all events, for a timeline.
    """

    def __init__(self) -> None:
        self.out: list[str] = []
        self.is_closed = False
        self.got: dict[str, list[str]] = {name: [] for name in READERS}
        self.ages: list[float] = []
        self.answers: list[int] = []
        self.lanes: dict[str, list[Stretch]] = {name: [] for name in ("the news", *READERS)}
        self._began = trio.current_time()
        self._when: dict[str, float] = {}

    @property
    def now(self) -> float:
        """Seconds since the newsroom was opened."""
        return trio.current_time() - self._began

    @property
    def seconds(self) -> float:
        """The time of the last event."""
        return max(stretch.end for lane in self.lanes.values() for stretch in lane)

    def bring(self, piece: str) -> None:
        """Record that there is a piece of news."""
        now = self._when[piece] = self.now
        self.out.append(piece)
        self.lanes["the news"].append(Stretch(now, now, "mark", piece))

    def read(self, name: str, piece: str) -> None:
        """A reader has it."""
        now = self.now
        self.got[name].append(piece)
        self.ages.append(now - self._when[piece])
        self.lanes[name].append(Stretch(now, now, "mark", piece))

    def answer(self, name: str, asked: float, status: int) -> None:
        """Record that a reader got a response."""
        self.answers.append(status)
        if status == 204:
            self.lanes[name].append(Stretch(asked, self.now, "wait"))

    def timeline(self, title: str, protocol: str, seconds: float) -> Timeline:
        """A lane for the news and one for each reader."""
        lanes = tuple(Lane(name, tuple(stretches)) for name, stretches in self.lanes.items())
        legend = LEGEND if self.answers else {"mark": LEGEND["mark"]}
        return Timeline(title, protocol, seconds, lanes, legend)


class Account(NamedTuple):
    """What happened, and what passed on the wire."""

    room: Newsroom
    recording: Recording


async def run(stage: Stage) -> None:
    """Send the same news both ways, and compare the results and the costs."""
    wishes = "; ".join(name + " wants " + " and ".join(f'"{topic}"' for topic in READERS[name]) for name in READERS)
    stage.say(f"""Every {RHYTHM * 1000:.0f} ms there is a piece of news. A subscriber says once which topics it wants,
        by their prefix: {wishes}. Over HTTP, the readers have to ask whether there is something new; they do so
        {POLL * 1000:.0f} ms after each response.""")
    pushed, polled = await over_pubsub(), await over_http()
    seconds = max(pushed.room.seconds, polled.room.seconds)
    stage.show(pushed.room.timeline("PUB and SUB", "zmtp", seconds))
    stage.show(polled.room.timeline("HTTP, polling", "http", seconds))
    stage.title("Who got what")
    stage.table(
        ["news", *READERS],
        [[words, *("yes" if words in pushed.room.got[name] else "" for name in READERS)] for words in NEWS],
    )
    stage.claim(
        "each reader got exactly the news with one of its prefixes, once and in order",
        pushed.room.got == {name: [words for words in NEWS if wants(name, words)] for name in READERS},
    )
    stage.claim("by asking over HTTP, each got the same", polled.room.got == pushed.room.got)
    stage.title("What it cost")
    costs(stage, pushed, polled)
    stage.lesson("""With HTTP, a server that has news must wait until a client asks. (Long polling, server-sent events
        and WebSocket work around that; each adds another protocol on top of HTTP.) A PUB sends without being asked, at
        a price: it drops messages for a subscriber that is absent, or too slow for its high-water mark (a limit on the
        messages queued for one peer).""")


def wants(name: str, words: str) -> bool:
    """Whether the piece of news begins with one of the reader's prefixes.

    >>> wants("Cleo", "eu.lisbon sun"), wants("Cleo", "eu.paris rain")
    (True, False)
    """
    return any(words.startswith(topic) for topic in READERS[name])


def costs(stage: Stage, pushed: Account, polled: Account) -> None:
    """Compare both ways in figures, and make the claims that follow."""
    both = (pushed, polled)
    deliveries = sum(len(got) for got in pushed.room.got.values())
    stage.table(
        ["", ">PUB/SUB", ">HTTP, polling"],
        [
            ["pieces delivered", *(str(len(it.room.ages)) for it in both)],
            ["questions asked for them", *(str(len(it.room.answers)) for it in both)],
            ["of these in vain", *(str(it.room.answers.count(204)) for it in both)],
            ["messages in all", *(str(2 * len(it.room.answers) or len(it.room.ages)) for it in both)],
            ["connections", *(str(it.recording.connections) for it in both)],
            ["octets, from the readers", *(f"{len(it.recording.said(Side.CLIENT)):,}" for it in both)],
            ["octets, to the readers", *(f"{len(it.recording.said(Side.SERVER)):,}" for it in both)],
            ["age of the news on arrival, median", *(f"{median(it.room.ages) * 1000:.1f} ms" for it in both)],
        ],
    )
    said = pushed.recording.said(Side.SERVER)
    stage.claim(
        """the publisher filters: asia.tokyo has no subscriber, and not one octet of it crossed the wire; of the other
        topics, one copy went to each subscriber""",
        b"tokyo" not in said and sum(said.count(words.split()[1].encode()) for words in NEWS) == deliveries,
    )
    stage.claim("once subscribed, the readers sent nothing more", speechless(pushed.recording))
    stage.claim("most HTTP questions were asked in vain", polled.room.answers.count(204) > len(polled.room.answers) / 2)
    stage.claim("PUB/SUB took less than a fifth of the octets", 5 * pushed.recording.octets < polled.recording.octets)
    stage.claim(
        "news arrived sooner when it was pushed than when it was polled",
        median(pushed.room.ages) < median(polled.room.ages),
    )


def speechless(recording: Recording) -> bool:
    """Whether all octets of the clients came before the first piece of news."""
    first = recording.find(NEWS[0].split()[1].encode())
    return all(chunk.at <= first.at for chunk in recording.chunks if chunk.side is Side.CLIENT)


# ------------------------------------------------------------------------------------------------------ over PUB/SUB


async def over_pubsub() -> Account:
    """One PUB, and a SUB for each reader, which only receives."""
    heard = {name: trio.Event() for name in READERS}

    async def read(sub: Socket, name: str) -> None:
        while True:
            topic, words = await sub.recv_multipart()
            if topic == END:
                return
            if topic == CALL:
                heard[name].set()
            else:
                room.read(name, f"{topic.decode()} {words.decode()}")

    async with Context() as ctx:
        pub = ctx.socket(SocketType.PUB, linger=0)
        pub.bind(ANYWHERE)
        async with recorded(port_of(pub.last_endpoint)) as relay, trio.open_nursery() as readers:
            for name, topics in READERS.items():
                sub = ctx.socket(SocketType.SUB)
                for topic in [*topics, DESK]:
                    sub.subscribe(topic)
                sub.connect(endpoint(relay))
                readers.start_soon(read, sub, name)
            await call_until_heard(lambda: pub.send_multipart([CALL, b""]), heard.values())
            room = Newsroom()
            for piece in NEWS:
                room.bring(piece)
                await pub.send_multipart(piece.encode().split())
                await trio.sleep(RHYTHM)
            await pub.send_multipart([END, b""])
        return Account(room, relay.recording)


# ---------------------------------------------------------------------------------------------------------- over HTTP


async def over_http() -> Account:
    """One server, and one client for all readers, which poll."""
    room = Newsroom()

    async def answer(request: minihttp.Request) -> minihttp.Response:
        """/news/SINCE/NAME: the news for NAME after the first SINCE pieces."""
        since, name = request.url.path.split("/")[2:]
        new = [words for words in room.out[int(since) :] if wants(name, words)]
        if not new and not room.is_closed:
            return minihttp.Response(204, headers={"Since": str(len(room.out))})
        return minihttp.Response(200, headers={"Since": str(len(room.out))}, content="\n".join(new))

    async def read(client: minihttp.AsyncClient, name: str) -> None:
        since, is_over = "0", False
        while not is_over:
            is_over = room.is_closed
            asked = room.now
            response = await client.get(f"/news/{since}/{name}")
            since = response.headers["Since"]
            room.answer(name, asked, response.status_code)
            for piece in response.text.splitlines():
                room.read(name, piece)
            await trio.sleep(POLL)

    async with (
        http_server(answer) as port,
        recorded(port) as relay,
        minihttp.AsyncClient(base_url=url(relay.port)) as client,
        trio.open_nursery() as readers,
    ):
        for name in READERS:
            readers.start_soon(read, client, name)
        for piece in NEWS:
            room.bring(piece)
            await trio.sleep(RHYTHM)
        room.is_closed = True
    return Account(room, relay.recording)
