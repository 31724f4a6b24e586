"""`libzmq`: the same conversations, with libzmq at the other end.

    our REQ  ──► Relay ──► libzmq's REP           our PUSH ──► libzmq's PULL           our SUB ◄── libzmq's PUB
    our REP  ◄── Relay ◄── libzmq's REQ           our PULL ◄── libzmq's PUSH           our PUB ──► libzmq's SUB

libzmq comes with pyzmq, which is optional: if it isn't installed, this part says so, and shows a recording of libzmq
instead.

pyzmq's sockets block, and a thread that waits in one can't be cancelled. So each socket has a timeout of PATIENCE, is
used by one thread at a time, and discards unsent messages when it closes (linger 0): nothing here can hang.

Read next: `meet`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import trio

from ..constants import SocketType
from ..sockets.context import Context
from ..sockets.socket import Socket
from ..trace import Side
from ..trace.story import load
from .ends import call_until_heard, endpoint, port_of, recorded
from .relay import ANYWHERE, LOCALHOST, Recording, Relay
from .stage import Stage

if TYPE_CHECKING:
    import zmq

PATIENCE = 3000  # milliseconds
REQUEST, REPLY = b"hello", b"world"
TASKS = [b"%d" % number for number in range(100)]
NEWS = [[b"eu.lisbon", b"sun"], [b"us.boston", b"snow"], [b"eu.paris", b"rain"]]
PREFIX, CALL, END = b"eu.", b"eu. are you there?", b"eu. that is all"

# Sockets of these types bind here, and the others connect.
SERVERS = (SocketType.REP, SocketType.PULL, SocketType.PUB)


class Outcome(NamedTuple):
    """The result of one conversation, and whether it was right."""

    who: str
    words: str
    is_right: bool
    recording: Recording


async def run(stage: Stage) -> None:
    """Six conversations with libzmq, and their octets compared with ours."""
    try:
        import zmq
    except ImportError:
        stage.say("""pyzmq is not installed, so there is no libzmq to talk to; install pyzmq and run this part again.
            Until then, here is a recording of two libzmq sockets talking to each other.""")
        await compare_with_story(stage)
        return
    stage.say(f"""libzmq {zmq.zmq_version()}, the C++ library that most of the world means by "ZeroMQ", sits at one end
        (pyzmq {zmq.pyzmq_version()} brings it); at the other end is this package.""")
    talks = (ask_theirs, answer_theirs, push_to_theirs, pull_from_theirs, subscribe_to_theirs, publish_to_theirs)
    outcomes = [await talk() for talk in talks]
    stage.table(
        ["", "what passed", ">octets"],
        [[it.who, it.words, f"{it.recording.octets:,}"] for it in outcomes],
    )
    stage.claim("everything arrived, complete and in order", all(it.is_right for it in outcomes))
    ours, (asked, answered, *_) = await among_ourselves(), outcomes
    stage.claim(
        f"""our REQ sent the same {len(ours.said(Side.CLIENT))} octets to libzmq's REP as to our own""",
        ours.said(Side.CLIENT) == asked.recording.said(Side.CLIENT),
    )
    stage.claim(
        """libzmq's REQ and REP sent the same octets as ours, except for the padding in the greeting, which has no
        meaning""",
        unpadded(answered.recording.said(Side.CLIENT)) == unpadded(ours.said(Side.CLIENT))
        and unpadded(asked.recording.said(Side.SERVER)) == unpadded(ours.said(Side.SERVER)),
    )
    stage.lesson("""The protocol is what crosses the wire, and nothing else. Neither end needs to know in which language
        the other is written.""")


async def compare_with_story(stage: Stage) -> None:
    """Compare a recording of libzmq with what our sockets send now."""
    story, ours = load("reqrep"), await among_ourselves()
    stage.conversation(story.title, story.trace())
    stage.claim(
        """our REQ and REP send the same octets now, except for the padding in the greeting, which has no meaning""",
        all(unpadded(ours.said(side)) == unpadded(story.said(side)) for side in Side),
    )


def unpadded(octets: bytes) -> bytes:
    """Leave out octets 1 to 8 of the greeting, because libzmq puts a length there for peers with old versions."""
    return octets[:1] + octets[9:]


# ---------------------------------------------------------------------------------------------------- the two ends


class Ends(NamedTuple):
    """Our socket, libzmq's, and the relay between them."""

    ours: Socket
    theirs: zmq.Socket[bytes]
    relay: Relay


@asynccontextmanager
async def facing(our_type: SocketType, their_type: SocketType) -> AsyncIterator[Ends]:
    """One of ours and one of libzmq's, connected through a relay."""
    import zmq

    their_context = zmq.Context()
    try:
        theirs = their_context.socket(int(their_type))
        theirs.rcvtimeo = theirs.sndtimeo = PATIENCE
        async with Context() as ctx:
            ours = ctx.socket(our_type, linger=0)
            if our_type in SERVERS:
                ours.bind(ANYWHERE)
                port = port_of(ours.last_endpoint)
            else:
                port = theirs.bind_to_random_port(f"tcp://{LOCALHOST}")
            async with recorded(port) as relay:
                (theirs if our_type in SERVERS else ours).connect(endpoint(relay))
                yield Ends(ours, theirs, relay)
    finally:
        their_context.destroy(linger=0)


async def together(ours: Callable[[], Awaitable[None]], theirs: Callable[[], None]) -> None:
    """Our side as a task, libzmq's as a thread, until both are done."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours)
        await trio.to_thread.run_sync(theirs)


# ---------------------------------------------------------------------------------------------------- conversations


async def ask_theirs() -> Outcome:
    """Request and reply; libzmq answers."""
    replies: list[bytes] = []
    async with facing(SocketType.REQ, SocketType.REP) as (req, rep, relay):

        async def ask() -> None:
            await req.send(REQUEST)
            replies.append(await req.recv())

        await together(ask, lambda: rep.send(REPLY if rep.recv() == REQUEST else b"what?"))
        return Outcome("our REQ asks libzmq's REP", "hello, world", replies == [REPLY], relay.recording)


async def answer_theirs() -> Outcome:
    """Request and reply; libzmq asks."""
    replies: list[bytes] = []
    async with facing(SocketType.REP, SocketType.REQ) as (rep, req, relay):

        async def answer() -> None:
            await rep.send(REPLY if await rep.recv() == REQUEST else b"what?")

        def ask() -> None:
            req.send(REQUEST)
            replies.append(req.recv())

        await together(answer, ask)
        return Outcome("libzmq's REQ asks our REP", "hello, world", replies == [REPLY], relay.recording)


async def push_to_theirs() -> Outcome:
    """Tasks; libzmq is the worker."""
    got: list[bytes] = []
    async with facing(SocketType.PUSH, SocketType.PULL) as (push, pull, relay):

        async def send_all() -> None:
            for task in TASKS:
                await push.send(task)

        await together(send_all, lambda: got.extend(pull.recv() for _ in TASKS))
        return Outcome("our PUSH feeds libzmq's PULL", f"{len(got)} tasks", got == TASKS, relay.recording)


async def pull_from_theirs() -> Outcome:
    """Tasks; libzmq hands them out."""
    got: list[bytes] = []
    async with facing(SocketType.PULL, SocketType.PUSH) as (pull, push, relay):

        async def receive_all() -> None:
            while len(got) < len(TASKS):
                got.append(await pull.recv())

        def send_all() -> None:
            for task in TASKS:
                push.send(task)

        await together(receive_all, send_all)
        return Outcome("libzmq's PUSH feeds our PULL", f"{len(got)} tasks", got == TASKS, relay.recording)


async def subscribe_to_theirs() -> Outcome:
    """News; libzmq publishes."""
    got: list[list[bytes]] = []
    heard = trio.Event()
    async with facing(SocketType.SUB, SocketType.PUB) as (sub, pub, relay):

        async def listen() -> None:
            while (message := await sub.recv_multipart()) != [END]:
                if message == [CALL]:
                    heard.set()
                else:
                    got.append(message)

        async def call() -> None:
            pub.send(CALL)  # a PUB never waits, so it needs no thread

        sub.subscribe(PREFIX)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await call_until_heard(call, [heard])
            for message in [*NEWS, [END]]:
                pub.send_multipart(message)
        return outcome_of_news("our SUB hears libzmq's PUB", got, relay)


async def publish_to_theirs() -> Outcome:
    """News; libzmq listens."""
    got: list[list[bytes]] = []
    heard = trio.Event()
    async with facing(SocketType.PUB, SocketType.SUB) as (pub, sub, relay):

        async def publish() -> None:
            await call_until_heard(lambda: pub.send(CALL), [heard])
            for message in [*NEWS, [END]]:
                await pub.send_multipart(message)

        def listen() -> None:
            while (message := sub.recv_multipart()) != [END]:
                if message == [CALL]:
                    trio.from_thread.run_sync(heard.set)
                else:
                    got.append(message)

        sub.subscribe(PREFIX)
        await together(publish, listen)
        return outcome_of_news("libzmq's SUB hears our PUB", got, relay)


def outcome_of_news(who: str, got: list[list[bytes]], relay: Relay) -> Outcome:
    """The outcome is right if exactly the news with the prefix arrived."""
    wanted = [message for message in NEWS if message[0].startswith(PREFIX)]
    return Outcome(who, f"{len(got)} of {len(NEWS)} news, by prefix", got == wanted, relay.recording)


async def among_ourselves() -> Recording:
    """The same request and reply without libzmq, for comparison."""
    async with Context() as ctx:
        rep, req = ctx.socket(SocketType.REP, linger=0), ctx.socket(SocketType.REQ, linger=0)
        rep.bind(ANYWHERE)
        async with recorded(port_of(rep.last_endpoint)) as relay:
            req.connect(endpoint(relay))
            await req.send(REQUEST)
            await rep.send(REPLY if await rep.recv() == REQUEST else b"what?")
            await req.recv()
            return relay.recording
