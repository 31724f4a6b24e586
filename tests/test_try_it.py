"""Chapters end with a change to try, and each does what the chapter predicts."""

import importlib
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

import minizmtp
from minizmtp import PULL, PUSH, Context, SocketType
from minizmtp.errors import ProtocolError
from minizmtp.net.engine import Engine
from minizmtp.net.session import Session
from minizmtp.net.states import FULL
from minizmtp.patterns import Pipe
from minizmtp.patterns.queue import Queue
from minizmtp.patterns.reqrep import Rep, split_envelope
from minizmtp.trace import Side
from minizmtp.trace.story import read
from minizmtp.wire import NEED_DATA, Connection, Ready
from minizmtp.wire.commands import decode_command, decode_traffic
from minizmtp.wire.events import Cancel, Ping, Subscribe
from minizmtp.wire.frames import FrameDecoder
from minizmtp.wire.greeting import check_mechanism
from tests.minizmtp.inside import links_of

(PACKAGE,) = (Path(folder) for folder in minizmtp.__path__)
README = PACKAGE.with_name("README.md").read_text("utf-8")
PATH = re.findall(r"^\| \d+ \| \[`([a-z0-9_.]+)`\]\(.*?\.py\)", README, re.MULTILINE)
SENTENCE = re.compile(r"Try it: in `([\w. ]+)`, write `([^`]+)` for `([^`]+)`\.")

Prediction = Callable[[Any], bool | Awaitable[bool]]
PREDICTIONS: dict[str, Prediction] = {}


def predicted(chapter: str) -> Callable[[Prediction], Prediction]:
    """Registers what a chapter predicts: true of the changed module, and not of the one as it is."""

    def register(prediction: Prediction) -> Prediction:
        PREDICTIONS[chapter] = prediction
        return prediction

    return register


def nothing() -> None:
    """A callback that is of no interest."""


def talk(one: Any, other: Any) -> list[Any]:
    """Carry octets until neither side says anything; what both have noticed."""
    events = []
    while said := [(to, octets) for side, to in ((one, other), (other, one)) if (octets := side.data_to_send())]:
        for to, octets in said:
            to.receive_data(octets)
            events += iter(to.next_event, NEED_DATA)
    return events


def pipe(hwm: int = 10, name: bytes = b"") -> Pipe:
    made = Pipe(Queue(hwm), Queue(hwm))
    made.identity = name
    return made


# ---------------------------------------------------------------------------------------------------------------- wire

DIRECTIONS = (b"CurveZMQMESSAGEC", b"CurveZMQMESSAGES")


@predicted("wire.greeting")
def no_peer_takes_that_for_null(module: Any) -> bool:
    greeting = module.decode_greeting(module.encode_greeting(b"NULL"))
    try:
        check_mechanism(greeting, b"NULL")
    except ProtocolError:
        return bool(greeting.mechanism == b"NULL" + b" " * 16)
    return False


@predicted("wire.frames")
def a_frame_of_200_octets_is_long(module: Any) -> bool:
    decoder = FrameDecoder()
    decoder.receive_data(octets := module.encode_frame(b"x" * 200))
    assert (frame := decoder.next_frame()) is not None
    assert frame[1] == b"x" * 200
    return bool(octets[:9].hex() == "0200000000000000c8")


@predicted("wire.commands")
def a_ttl_of_2_s_is_512(module: Any) -> bool:
    return decode_traffic(*decode_command(module.encode_traffic(Ping(20, b"")))) == Ping(5120, b"")


@predicted("wire.metadata")
def libzmq_seems_to_have_no_type(module: Any) -> bool:
    names = (b"socket-type", b"Socket-Type")
    small, libzmq = (module.decode_metadata(module.encode_metadata({name: b"PULL"})) for name in names)
    try:
        module.check_metadata(libzmq, SocketType.REQ)
    except ProtocolError:
        return False
    return b"socket-type" in small and b"socket-type" not in libzmq


@predicted("wire.mechanisms")
def both_wait_for_ready(module: Any) -> bool:
    sides = [Connection(kind, mechanism=module.Null()) for kind in (SocketType.REQ, SocketType.REP)]
    return not any(isinstance(event, Ready) for event in talk(*sides))


@predicted("wire.connection")
def a_ping_gets_no_answer(module: Any) -> bool:
    one, other = Connection(SocketType.REQ), module.Connection(SocketType.REP)
    talk(one, other)
    other.receive_data(one.send(Ping(0, b"check")))
    assert other.next_event() == Ping(0, b"check")
    return b"PONG" not in other.data_to_send()


@predicted("wire.assembler")
def empty_frames_cost_nothing(module: Any) -> bool:
    assembler = module.Assembler(max_unfinished=200)
    try:
        return [assembler.add(1, b"") for _ in range(4)] == [None] * 4
    except ProtocolError:
        return False


@predicted("wire.plain")
def octets_behind_the_password_pass(module: Any) -> bool:
    try:
        fields = dict(module.hello_fields(b"\5admin\6secretand more"))
    except ProtocolError:
        return False
    return bool(fields["password"] == b"secret")


@predicted("wire.curve")
def a_message_is_delivered_twice(module: Any) -> bool:
    pytest.importorskip("nacl")
    shared = bytes(32)
    one, other = (module.Cipher(shared, *letters, sent=0, received=0) for letters in (DIRECTIONS, DIRECTIONS[::-1]))
    header, box = one.encrypt(0, [b"pay"])
    message = header[2:] + box
    assert list(other.decrypt([message])) == [(0, b"pay")]
    try:
        return list(other.decrypt([message])) == [(0, b"pay")]
    except ProtocolError:
        return False


@predicted("wire.z85")
def groups_are_turned_around(module: Any) -> bool:
    return bool(module.encode(bytes.fromhex("864fd26fb559f75b")) == b"olleHdlroW")


# ------------------------------------------------------------------------------------------------------------ patterns


@predicted("patterns.queue")
def a_writer_is_woken_1000_times(module: Any) -> bool:
    wakeups = 0

    def on_space() -> None:
        nonlocal wakeups
        wakeups += 1

    queue = module.Queue(hwm=1000)
    queue.set_writer(on_space)
    for _ in range(1000):
        while queue.offer(b"more"):
            pass
        queue.take()
    assert wakeups in (2, 1000)
    return wakeups == 1000


@predicted("patterns.routing")
def the_first_pipe_is_filled_first(module: Any) -> bool:
    robin, pipes = module.RoundRobin(), [pipe(2) for _ in range(3)]
    for each in pipes:
        robin.attach(each)
    return [pipes.index(robin.send(b"work")) for _ in range(6)] == [0, 0, 1, 1, 2, 2]


@predicted("patterns.pipeline")
def what_a_peer_sends_fills_a_queue(module: Any) -> bool:
    push, peer = module.Push(nothing, nothing), pipe()
    push.attach(peer)
    for _ in range(10):
        peer.inbound.offer(b"hello")
    return peer.inbound.full and len(peer.inbound) == 10


@predicted("patterns.pair")
def a_second_peer_gets_every_second_message(module: Any) -> bool:
    pair, peers = module.Pair(nothing, nothing), [pipe(), pipe()]
    for each in peers:
        pair.attach(each)
    for _ in range(4):
        pair.try_send([b"hello"])
    return [len(each.outbound) for each in peers] == [2, 2]


@predicted("patterns.pubsub")
def a_sub_hands_on_all(module: Any) -> bool:
    sub, publisher = module.Sub(nothing, nothing), pipe()
    sub.subscribe(b"eu")
    sub.attach(publisher)
    publisher.inbound.put_all([b"us snow", b"eu rain"])
    _, message = sub.take()
    return bool(message == [b"us snow"])


@predicted("patterns.requests")
def one_cancellation_ends_both(module: Any) -> bool:
    requests = module.Requests(queues_ahead=False)
    return [requests.count(each) for each in (Subscribe(b"eu"), Subscribe(b"eu"), Cancel(b"eu"))] == [True] * 3


@predicted("patterns.reqrep")
def a_request_may_have_no_body(module: Any) -> bool:
    rep, peer = module.Rep(nothing, nothing), pipe()
    rep.attach(peer)
    peer.inbound.put([b"r1", b""])
    found = rep.take()
    return found is not None and found[1] == []


@predicted("patterns.router")
def two_peers_have_one_name(module: Any) -> bool:
    router, peers = module.Router(nothing, nothing), [pipe(name=b"anna"), pipe(name=b"anna")]
    for each in peers:
        router.attach(each)
        router.connected(each)
        each.inbound.put(b"hi")
    router.try_send([b"anna", b"hello"])
    read = [router.take() for _ in range(2)]
    return None not in read and [len(each.outbound) for each in peers] == [0, 1]


# --------------------------------------------------------------------------------------------------------- net, sockets


@predicted("net")
async def no_queue_stops_the_engine(module: Any) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_receive", module.Engine._receive)
        async with Context() as ctx:
            pull, push = ctx.socket(PULL, rcvhwm=10), ctx.socket(PUSH)
            pull.bind("tcp://127.0.0.1:*")
            push.connect(pull.last_endpoint)
            await push.send_many([b"message"] * 100)
            while not any(len(peer.inbound) >= 10 for peer in pull._pattern.pipes):
                await trio.lowlevel.checkpoint()
            (peer,) = pull._pattern.pipes
            while len(peer.inbound) < 100 and getattr(peer.source, "_state", None) is not FULL:
                await trio.lowlevel.checkpoint()
            return len(peer.inbound) == 100


@predicted("net.session")
async def what_waits_is_lost(module: Any) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "finish", module.Session.finish)
        async with Context() as ctx:
            push = ctx.socket(PUSH, linger=50)
            push.connect("tcp://127.0.0.1:9")
            await push.send(b"hello")
            push.close()
            await trio.testing.wait_all_tasks_blocked()
            return not any(link.unsent() for link in links_of(push))


@predicted("sockets.waiters")
async def one_message_wakes_all(module: Any) -> bool:
    tries, messages = 0, list[bytes]()

    def attempt() -> bytes | None:
        nonlocal tries
        tries += 1
        return messages.pop() if messages else None

    waiters = module.Waiters(SimpleNamespace(looks_from=float("inf"), rested_at=0.0))
    waiters.pattern = Rep(nothing, nothing)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(waiters.park, attempt, 0, -1)
        await trio.testing.wait_all_tasks_blocked()
        messages.append(b"one")
        waiters.on_arrival()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not messages
    return tries == 5


# --------------------------------------------------------------------------------------------------------------- tests


@pytest.fixture
def changed() -> Iterator[Callable[[str], tuple[ModuleType, ModuleType]]]:
    """Makes the module that a chapter is about, and another one with the change that it names."""
    names = []

    def make(chapter: str) -> tuple[ModuleType, ModuleType]:
        text = " ".join((importlib.import_module(f"minizmtp.{chapter}").__doc__ or "").split())
        [(where, new, old)] = SENTENCE.findall(text)
        name, parts = chapter, where.split(".")
        while PACKAGE.joinpath(*name.split("."), "__init__.py").exists():  # a page: the place has a module in front
            name, parts = ".".join(parts[:2]), parts[2:]
        path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        code, start = path.read_text("utf-8"), 0
        for part in parts:
            kind = "class" if part[0].isupper() else "def"
            found = re.compile(rf"^ *{kind} {part}\b", re.MULTILINE).search(code, start)
            assert found, f"{where} is not in {name}"
            start = found.start()
        at = code.index(old, start)
        assert not re.search(r"\n\n *def |\n\n\n", code[start:at]), f"{old} is not in {where}"
        module = ModuleType(f"minizmtp.{name}_changed")
        names.append(module.__name__)
        sys.modules[module.__name__] = module
        module.__package__ = f"minizmtp.{name}".rpartition(".")[0]
        exec(compile(code[:at] + new + code[at + len(old) :], str(path), "exec"), vars(module))
        return importlib.import_module(f"minizmtp.{name}"), module

    yield make
    for name in names:
        del sys.modules[name]


def test_every_change_to_try_has_a_prediction() -> None:
    found = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
        if "Try it: in" in path.read_text("utf-8")
    }
    assert found == set(PREDICTIONS)


def test_every_chapter_of_the_path_has_a_change_to_try() -> None:
    assert len(PATH) == 14
    assert set(PATH) <= set(PREDICTIONS)


@pytest.mark.parametrize("chapter", PREDICTIONS)
async def test_the_change_does_what_the_chapter_says(
    chapter: str, changed: Callable[[str], tuple[ModuleType, ModuleType]]
) -> None:
    for module, expected in zip(changed(chapter), (False, True), strict=True):
        answer = PREDICTIONS[chapter](module)
        assert (answer if isinstance(answer, bool) else await answer) is expected


def test_the_story_of_two_messages_is_as_predicted() -> None:
    text = PACKAGE.joinpath("stories", "reqrep.txt").read_text("utf-8")
    [(where, new, old)] = SENTENCE.findall(text.replace("\ntry:", "\nTry it:"))
    before, _, after = text.partition(f"\n{where}\n")
    story = read(f"{before}\n{where}\n{after.replace(old, new, 1)}")
    rep = Connection(SocketType.REP)
    rep.receive_data(story.said(Side.CLIENT))
    _, _, *messages = iter(rep.next_event, NEED_DATA)
    assert messages == [[b""], [b"hello"]]
    assert [split_envelope(list(message)) for message in messages] == [None, None]
