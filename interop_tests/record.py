"""Records conversations with real libzmq, for `minizmtp.trace.story`.

    python -m interop_tests.record               records all of them again, into minizmtp/stories
    python -m interop_tests.record reqrep        records only this one
    python -m interop_tests.record --words       records nothing, and only rewrites the comments after #

The demo's relay records between the two ends. No two recordings are equal, because the number and the times of the
writes vary, and CURVE's keys and nonces are random. The fields and their values are the same each time; `test_stories`
checks that.

    client ──► Relay ──► server         each of them ours or libzmq's, or octets written by hand
"""

import argparse
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import trio
import zmq

from interop_tests.libzmq import spares
from interop_tests.node_peer import NodePeer, node_peer
from interop_tests.raw import RawPeer
from interop_tests.world import PATIENCE, Peer, World
from minizmtp import SocketType
from minizmtp.demo.ends import endpoint, port_of, recorded
from minizmtp.demo.relay import Recording
from minizmtp.errors import Refused
from minizmtp.trace import Side
from minizmtp.trace.story import FOLDER, Story, Write, load, text_of
from minizmtp.wire import NEED_DATA, AuthReply, AuthRequest, Connection, ConnectionClosed, Ready, z85
from minizmtp.wire.curve import CurveClient, scripted
from minizmtp.wire.mechanisms import Null
from tests.zmtp_bytes import GREETING

LIBZMQ = f"libzmq {zmq.zmq_version()}"

# The keys that libzmq's manual prints, in zmq_curve(7) among others. They are public and protect nothing.
SERVER_PUBLIC = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SERVER_SECRET = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_PUBLIC = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
CLIENT_SECRET = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
# A client should forget this secret when its connection ends. It is fixed here, so that readers can open the boxes.
CLIENT_TRANSIENT = z85.encode(bytes(range(1, 33))).decode()
SECRETS = {
    "server_secret": SERVER_SECRET,
    "client_secret": CLIENT_SECRET,
    "client_transient": CLIENT_TRANSIENT,
}


class Scene:
    """A server, a client, and the relay between them."""

    def __init__(self, world: World, stack: AsyncExitStack) -> None:
        self.world = world
        self.recording = Recording()
        self.endpoint = ""  # the relay's
        self._stack = stack

    async def server(self, socket_type: str, **options: Any) -> Peer:
        """A bound socket with a relay in front of it."""
        peer = await self.world.server.socket(socket_type, linger=0, **options)
        await self.relay(await peer.bind(self.world.endpoint()))
        return peer

    async def relay(self, server: str) -> None:
        """Start a relay to `server`; its clients connect to `endpoint` instead."""
        relay = await self._stack.enter_async_context(recorded(port_of(server), recording=self.recording))
        self.endpoint = endpoint(relay)

    async def client(self, socket_type: str, **options: Any) -> Peer:
        """A socket connected to the relay."""
        peer = await self.world.client.socket(socket_type, linger=0, **options)
        await peer.connect(self.endpoint)
        return peer

    async def in_node(self, socket_type: str) -> NodePeer:
        """A socket of npm's zeromq."""
        return await self._stack.enter_async_context(node_peer("zeromq", socket_type))

    async def heard(self, words: bytes, side: Side = Side.SERVER) -> None:
        """Wait until this side has sent these octets through the relay."""
        with trio.fail_after(PATIENCE):
            while words not in self.recording.said(side):  # noqa: ASYNC110  # because the relay has no event for it
                await trio.sleep(0.001)

    def writes(self) -> list[Write]:
        """The writes of the first connection only, because a refused client may have dialled again."""
        chunks = [chunk for chunk in self.recording.chunks if chunk.connection == 1]
        return [Write(chunk.side, chunk.at - chunks[0].at, chunk.octets) for chunk in chunks]


# -------------------------------------------------------------------------------------------------------- what happens


async def reqrep(scene: Scene) -> None:
    rep = await scene.server("REP")
    req = await scene.client("REQ")
    await req.send(b"hello")
    await rep.send(b"world" if await rep.recv() == b"hello" else b"what?")
    await req.recv()


async def pubsub(scene: Scene) -> None:
    """The server is an XPUB, because its program can see when a subscription has arrived."""
    xpub = await scene.server("XPUB")
    sub = await scene.client("SUB")
    await sub.subscribe(b"news")
    assert await xpub.recv() == b"\x01news"
    await xpub.send_multipart([b"news", b"rain"])
    await sub.recv_multipart()
    await sub.unsubscribe(b"news")
    assert await xpub.recv() == b"\x00news"


async def pubsub_3_0(scene: Scene) -> None:
    xpub = await scene.server("XPUB")
    async with await RawPeer.dial(scene.endpoint) as old:
        await old.handshake("SUB", GREETING[:11] + b"\x00" + GREETING[12:])
        await old.send(b"\x00\x05\x01news")
        assert await xpub.recv() == b"\x01news"
        await xpub.send_multipart([b"news", b"rain"])
        await old.receive_frame()
        await old.receive_frame()
        await old.send(b"\x00\x05\x00news")
        assert await xpub.recv() == b"\x00news"


async def heartbeat(scene: Scene) -> None:
    """It ends before the second PING, half a second later."""
    await scene.server("DEALER")
    await scene.client("DEALER", heartbeat_ivl=500, heartbeat_ttl=2000)
    await scene.heard(b"\x04PONG")


async def plain(scene: Scene) -> None:
    await scene.world.server.guard({"admin": "secret"}, scene.world.folder)
    pull = await scene.server("PULL", plain_server=1)
    push = await scene.client("PUSH", plain_username="admin", plain_password="secret")
    await push.send(b"work")
    await pull.recv()


async def plain_refused(scene: Scene) -> None:
    await scene.world.server.guard({"admin": "secret"}, scene.world.folder)
    await scene.server("PULL", plain_server=1)
    await scene.client("PUSH", plain_username="admin", plain_password="guess")
    await scene.heard(b"400")


async def ws(scene: Scene) -> None:
    """Both ends are npm's zeromq, because pyzmq's libzmq has no WebSocket."""
    xpub, sub = await scene.in_node("XPUB"), await scene.in_node("SUB")
    bound = await xpub.bind("ws://127.0.0.1:*/news")
    await scene.relay(bound.removesuffix("/news"))
    await sub.connect(f"{scene.endpoint.replace('tcp', 'ws')}/news")
    await sub.subscribe(b"news")
    assert await xpub.receive() == [b"\x01news"]
    await xpub.send(b"news", b"rain")
    await sub.receive()


async def refused(scene: Scene) -> None:
    """The server is one of our Connections, and refuses every client."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        await scene.relay(f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}")
        await scene.client("PUSH")
        pull = Connection(SocketType.PULL, mechanism=Null(ask=True))
        async with await listener.accept() as stream:
            await hear(pull, stream, lambda event: isinstance(event, AuthRequest))
            await scene.heard(b"READY", Side.CLIENT)  # because a client that has read ERROR doesn't send it
            with suppress(Refused):
                pull.receive_auth_reply(AuthReply(400, "nobody comes in here"))
            await stream.send_all(pull.data_to_send())
            await scene.heard(b"ERROR")


async def curve(scene: Scene) -> None:
    """The client is one of our Connections, with known keys and nonces."""
    rep = await scene.server("REP", curve_server=1, curve_secretkey=SERVER_SECRET)
    known = scripted(z85.decode(CLIENT_TRANSIENT), bytes(range(16)))
    permanent = z85.decode(CLIENT_PUBLIC), z85.decode(CLIENT_SECRET)
    req = Connection(SocketType.REQ, mechanism=CurveClient(*permanent, z85.decode(SERVER_PUBLIC), known))
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(scene.endpoint))
    async with stream:
        await hear(req, stream, lambda event: isinstance(event, Ready))
        await stream.send_all(req.send([b"", b"hello"]))
        await rep.send(b"world" if await rep.recv() == b"hello" else b"what?")
        await hear(req, stream, lambda event: event == [b"", b"world"])


async def hear(connection: Connection, stream: trio.SocketStream, wanted: Callable[[object], bool]) -> None:
    """Send the Connection's output and receive, until a wanted event has arrived."""
    with trio.fail_after(PATIENCE):
        while not wanted(event := connection.next_event()):
            assert not isinstance(event, ConnectionClosed)
            if octets := connection.data_to_send():
                await stream.send_all(octets)
            if event is NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65536)))


class Script(NamedTuple):
    """server, client: socket types and libraries. play: the conversation. summary: shown to the story's reader."""

    title: str
    server: str
    client: str
    mechanism: str
    play: Callable[[Scene], Awaitable[None]]
    summary: str
    keys: dict[str, str] = {}  # noqa: RUF012  # never changed


SCRIPTS = {
    "reqrep": Script(
        "A REQ asks, a REP answers.",
        f"REP, {LIBZMQ}",
        f"REQ, {LIBZMQ}",
        "NULL",
        reqrep,
        """The smallest useful conversation: greetings, the handshake of the mechanism NULL, one request and
        one reply.""",
    ),
    "pubsub": Script(
        "A SUB subscribes, receives a message, and unsubscribes.",
        f"XPUB, {LIBZMQ}",
        f"SUB, {LIBZMQ}",
        "NULL",
        pubsub,
        """The subscriber says which messages it wants, and the publisher filters. In ZMTP 3.1,
        subscribing and unsubscribing are commands.""",
    ),
    "pubsub-3.0": Script(
        "The same with a subscriber that speaks ZMTP 3.0.",
        f"XPUB, {LIBZMQ}",
        "SUB, by hand",
        "NULL",
        pubsub_3_0,
        """ZMTP 3.0 has no commands for subscriptions, so the subscriber sends messages instead. The two sides
        agree on 3.0 by their greetings.""",
    ),
    "heartbeat": Script(
        "A DEALER asks another whether it is alive.",
        f"DEALER, {LIBZMQ}",
        f"DEALER, {LIBZMQ}",
        "NULL",
        heartbeat,
        """A PING and its PONG. TCP alone does not notice a machine that fails while the connection is idle.""",
    ),
    "refused": Script(
        "A PULL refuses a PUSH.",
        "PULL, minizmtp",
        f"PUSH, {LIBZMQ}",
        "NULL",
        refused,
        """Under NULL a server can refuse a client, too, for example because of its address. It sends ERROR
        where the client expects READY.""",
    ),
    "ws": Script(
        "A SUB subscribes over a WebSocket.",
        "XPUB, libzmq 4.3.5 in npm's zeromq 6.8",
        "SUB, libzmq 4.3.5 in npm's zeromq 6.8",
        "NULL",
        ws,
        """An HTTP request becomes a ZeroMQ connection. A browser can do the same, so a page can be a subscriber. What
        the client sends is masked; the trace also shows it without the mask.""",
    ),
    "plain": Script(
        "A PUSH logs in with a username and a password.",
        f"PULL, {LIBZMQ}",
        f"PUSH, {LIBZMQ}",
        "PLAIN",
        plain,
        """The handshake of the mechanism PLAIN. The password crosses the network unencrypted, so every machine
        on the way can read it, as it can be read here.""",
    ),
    "plain-refused": Script(
        "A PUSH logs in with a wrong password and is refused.",
        f"PULL, {LIBZMQ}",
        f"PUSH, {LIBZMQ}",
        "PLAIN",
        plain_refused,
        """The server answers HELLO with ERROR. libzmq's PLAIN server writes one octet (5e) where the length of
        the name and its first letter (05 45) belong, and its peers have to accept that.""",
    ),
    "curve": Script(
        "A REQ and a REP talk under CURVE.",
        f"REP, {LIBZMQ}",
        "REQ, minizmtp",
        "CURVE",
        curve,
        """Everything after the greeting is encrypted. The keys of this recording are published with it, so its
        boxes can be opened here. An observer without a key sees only the sizes and times.""",
        keys=SECRETS,
    ),
}


async def record(script: Script) -> Story:
    """Play the script and return the recording."""
    async with World.open("libzmq", "libzmq", "tcp") as world, AsyncExitStack() as stack:
        scene = Scene(world, stack)
        await script.play(scene)
        about = {"client": script.client, "server": script.server, "mechanism": script.mechanism}
        about["summary"] = " ".join(script.summary.split())
        return Story(script.title, about, script.keys, scene.writes())


def write(name: str, story: Story) -> None:
    """Write the story to its file."""
    Path(str(FOLDER)).mkdir(exist_ok=True)
    Path(str(FOLDER), f"{name}.txt").write_text(text_of(story), "utf-8")


def main() -> None:
    """Record the stories named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m interop_tests.record", description="Record the wire stories.")
    parser.add_argument("names", nargs="*", metavar="STORY", help=f"{', '.join(SCRIPTS)} (all)")
    parser.add_argument("--words", action="store_true", help="record nothing; write what is behind # again")
    options = parser.parse_args()
    try:
        for name in options.names or SCRIPTS:
            write(name, load(name) if options.words else trio.run(record, SCRIPTS[name]))
    finally:
        spares.close()


if __name__ == "__main__":
    main()
