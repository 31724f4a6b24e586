"""The hook: what works after a step that did not work before it, with real libzmq at the other end.

Where pyzmq is installed, the other end is libzmq; otherwise it is a socket of our own, and a sentence says so. A hook
is a function for one step. It says what happened in a line, and it is no check: the checks have passed by then. If
something does not work all the same, the line says what.

    >>> stack_command().startswith(sys.executable)
    True

Below this module: `program`, `course`, `libzmq`. Read next: `progress`.
"""

import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec

import trio

from ..check import octets as o
from ..check.peer import Terms, Unlike, listed
from ..check.program import Driver, DriverEnded, DriverError, DriverSocket
from ..check.target import dial, listen
from ..wire.curve import keypair
from .course import Step
from .program import BINDS, SECRETS, Learner, NotStarted, environment_of, free_port

PATIENCE = 5.0  # seconds
TWO = (b"Hello", b"from the other end")


class Scene:
    """One hook's processes: the learner's program, and the other end."""

    def __init__(self, command: Sequence[str], driver: Driver, stack: AsyncExitStack) -> None:
        self._command, self._driver, self._stack = command, driver, stack
        self.name = driver.name
        self.endpoint = ""  # of the last pair

    async def mine(
        self, kind: str, endpoint: str, terms: Terms | None = None, settings: Mapping[str, str] | None = None
    ) -> Learner:
        """The program."""
        learner = Learner(self._command, PATIENCE)
        self._stack.callback(learner.close)
        self._stack.push_async_callback(learner.end)
        await learner.start(kind, endpoint, environment_of(terms or Terms(kind), settings))
        return learner

    async def far(self, kind: str, **options: str | int) -> DriverSocket:
        """A socket at the other end."""
        socket = await self._driver.socket(kind, **options)
        socket.patience = PATIENCE
        return socket

    async def pair(
        self,
        mine: str,
        far: str,
        terms: Terms | None = None,
        settings: Mapping[str, str] | None = None,
        **options: str | int,
    ) -> tuple[Learner, DriverSocket]:
        """The program, and a socket at the other end that is connected to it, or that it connects to."""
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        socket = await self.far(far, **options)
        if mine in BINDS:
            learner = await self.mine(mine, self.endpoint, terms, settings)
            await socket.connect(self.endpoint)
        else:
            await socket.bind(self.endpoint)
            learner = await self.mine(mine, self.endpoint, terms, settings)
        return learner, socket


async def relayed(scene: Scene, *, ready: bool) -> tuple[Learner, DriverSocket, bytes]:
    """A PUSH that talks to the program through us, and what it said up to its READY. ready: ours goes in the place of
    the program's."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    learner = await scene.mine("PULL", endpoint)
    listener, ours = await scene._stack.enter_async_context(listen("tcp://127.0.0.1:0"))
    far = await scene.far("PUSH")
    await far.connect(ours)
    theirs = await scene._stack.enter_async_context(await listener.accept())
    with trio.fail_after(PATIENCE):
        while True:
            try:
                mine = await scene._stack.enter_async_context(await dial(endpoint, PATIENCE))
                break
            except Exception:
                await trio.sleep(0.05)
    said = b""

    async def upwards() -> None:
        greeting = b""
        while octets := await mine.receive_some():
            greeting += octets
            await theirs.send_all(octets[: 64 - len(greeting) + len(octets)] if ready else octets)
            if ready and len(greeting) >= 64:
                await theirs.send_all(o.ready("PULL"))
                await trio.sleep_forever()

    async def downwards() -> None:
        nonlocal said
        while octets := await theirs.receive_some():
            said += octets
            await mine.send_all(octets)
            if b"\x05READY" in said and not ready:
                nursery.cancel_scope.cancel()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upwards)
            nursery.start_soon(downwards)
            if ready:
                await far.send(*TWO)
                await expect(learner, *TWO)
                nursery.cancel_scope.cancel()
    return learner, far, said


async def expect(receiver: Learner | DriverSocket, *frames: bytes) -> None:
    """The next message there has these frames."""
    found = await receiver.receive()
    if found != list(frames):
        raise Unlike(listed(frames), listed(found))


async def greeting(scene: Scene) -> str:
    """Step 1."""
    _, _, said = await relayed(scene, ready=False)
    return f"{scene.name} has read your greeting and goes on: it said READY in {len(said) - 64} octets, for step 3."


async def frames(scene: Scene) -> str:
    """Step 2."""
    await relayed(scene, ready=True)
    return f"{scene.name} sent a message of two frames, and your program printed it (READY was ours this time)."


async def ready(scene: Scene) -> str:
    """Step 3."""
    learner, push = await scene.pair("PULL", "PUSH")
    for number in range(3):
        await push.send(b"message %d" % number)
        await expect(learner, b"message %d" % number)
    return f"a PUSH of {scene.name} sent three messages to your PULL, with nothing in between."


async def reqrep(scene: Scene) -> str:
    """Step 4."""
    rep, req = await scene.pair("REP", "REQ")
    await req.send(b"What is the answer?")
    await expect(rep, b"What is the answer?")
    await rep.send(b"42")
    await expect(req, b"42")
    asker, other = await scene.pair("REQ", "REP")
    await asker.send(b"And the question?")
    await expect(other, b"And the question?")
    await other.send(b"I don't know.")
    await expect(asker, b"I don't know.")
    return f"your REP has answered a REQ of {scene.name}, and a REP of it your REQ."


async def many(scene: Scene) -> str:
    """Step 5."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    pull = await scene.mine("PULL", endpoint)
    for number in range(10):
        one = await scene.far("PUSH")
        await one.connect(endpoint)
        await one.send(b"%d" % number)
    lines = sorted([await pull.receive() for _ in range(10)])
    if lines != [[b"%d" % number] for number in range(10)]:
        raise Unlike("ten messages", ", ".join(map(listed, lines)))
    push, far = await scene.pair("PUSH", "PULL")
    await push.send(b"x" * 1_000_000)
    await expect(far, b"x" * 1_000_000)
    return f"ten PUSH of {scene.name} at once sent to your PULL, and a PULL got a million octets of your PUSH."


async def pubsub(scene: Scene) -> str:
    """Step 6."""
    pub, sub = await scene.pair("PUB", "SUB")
    await sub.subscribe(b"news")
    await published(pub, sub)
    mine, far = await scene.pair("SUB", "PUB")
    await mine.subscribe(b"news")
    await published(far, mine)
    return f"a SUB of {scene.name} gets news of your PUB, and your SUB of its PUB, and no weather."


async def published(pub: Learner | DriverSocket, sub: Learner | DriverSocket) -> None:
    """News arrives, as soon as the subscription has."""
    with trio.fail_after(PATIENCE):
        while True:
            await pub.send(b"weather")
            await pub.send(b"news", b"of today")
            try:
                await expect_in(sub, 0.1, b"news", b"of today")
            except Unlike as unlike:
                if "none" not in unlike.came and "nothing" not in unlike.came:
                    raise
            else:
                return


async def expect_in(receiver: Learner | DriverSocket, patience: float, *frames: bytes) -> None:
    """The next message there, which may be missing, has these frames."""
    found = await receiver.receive(patience)
    if found != list(frames):
        raise Unlike(listed(frames), listed(found))


async def router(scene: Scene) -> str:
    """Step 7."""
    mine, anna = await scene.pair("ROUTER", "DEALER", routing_id=b"anna".hex())
    await anna.send(b"I am anna")
    await expect(mine, b"anna", b"I am anna")
    await mine.send(b"anna", b"hello anna")
    await expect(anna, b"hello anna")
    dealer, rep = await scene.pair("DEALER", "REP")
    await dealer.send(b"", b"question")
    await expect(rep, b"question")
    await rep.send(b"answer")
    await expect(dealer, b"", b"answer")
    return f"your ROUTER has talked to a DEALER of {scene.name} by its name, and your DEALER to a REP."


async def back(scene: Scene) -> str:
    """Step 8."""
    push, pull = await scene.pair("PUSH", "PULL")
    await push.send(b"before")
    await expect(pull, b"before")
    await pull.close()
    again = await scene.far("PULL")
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await again.bind(scene.endpoint)
                break
            except DriverError:
                await trio.sleep(0.05)
    await trio.sleep(0.5)  # until your program has seen the end of the first
    await push.send(b"after")
    await expect(again, b"after")
    return f"a PULL of {scene.name} has gone and come back, and your PUSH has found it again."


async def security(scene: Scene) -> str:
    """Step 9."""
    plain = Terms("PULL", b"PLAIN", username=b"anna", password=b"correct horse")
    credentials = f"{plain.username.hex()}:{plain.password.hex()}"
    pull, push = await scene.pair("PULL", "PUSH", plain, plain_client=credentials)
    await push.send(b"by password")
    await expect(pull, b"by password")
    said = f"a PUSH of {scene.name} was let in by its password"
    if not find_spec("nacl"):
        return f"{said}. CURVE was left out, because this needs PyNaCl: pip install 'minizmtp[curve]'"
    curve = Terms("DEALER", b"CURVE", serves=False)
    dealer, router = await scene.pair("DEALER", "ROUTER", curve, curve_server=SECRETS[1].hex())
    await dealer.send(b"in a box")
    name, text = await router.receive()
    await router.send(name, b"you said " + text)
    await expect(dealer, b"you said in a box")
    return f"{said}, and your DEALER has talked to a ROUTER of it in boxes that no other can open."


async def alive(scene: Scene) -> str:
    """Step 10."""
    beats = {"ZMTP_HEARTBEAT": "200"}
    pull, push = await scene.pair("PULL", "PUSH", None, beats, heartbeat_ivl=100)
    await push.send(b"before")
    await expect(pull, b"before")
    await trio.sleep(1.5)
    await push.send(b"after")
    await expect(pull, b"after")
    return f"your PULL and a PUSH of {scene.name} have kept each other alive by PING and PONG for a while."


async def server(scene: Scene) -> str:
    """Step 11."""
    if not find_spec("nacl"):
        return "CURVE needs PyNaCl: pip install 'minizmtp[curve]'"
    curve = Terms("ROUTER", b"CURVE")
    keys = ":".join(key.hex() for key in (*keypair(SECRETS[1]), keypair(SECRETS[0])[0]))
    router, dealer = await scene.pair("ROUTER", "DEALER", curve, curve_client=keys)
    await dealer.send(b"in a box")
    name, text = await router.receive()
    await router.send(name, b"you said " + text)
    await expect(dealer, b"you said in a box")
    return f"a DEALER of {scene.name} has proved its key to your ROUTER, and they have talked in boxes."


HOOKS: dict[str, Callable[[Scene], Awaitable[str]]] = {
    "greeting": greeting,
    "frames": frames,
    "ready": ready,
    "reqrep": reqrep,
    "many": many,
    "pubsub": pubsub,
    "router": router,
    "back": back,
    "security": security,
    "alive": alive,
    "server": server,
}


def stack_command() -> str:
    """The command of a driver for libzmq, or for our own sockets."""
    module = "minizmtp.learn.libzmq" if find_spec("zmq") else "minizmtp.check.driver"
    return shlex.join([sys.executable, "-m", module])


async def show(step: Step, command: Sequence[str]) -> list[str]:
    """What works now, in words."""
    lines = []
    if not find_spec("zmq"):
        lines.append("pyzmq is not installed, so a socket of minizmtp is at the other end: pip install pyzmq")
    async with trio.open_nursery() as nursery:
        try:
            with trio.fail_after(4 * PATIENCE):
                driver = Driver(stack_command())
                await driver.start(nursery)
                async with AsyncExitStack() as stack:
                    lines.append("★ " + await HOOKS[step.name](Scene(command, driver, stack)))
        except* (Unlike, NotStarted, DriverEnded, DriverError, OSError, trio.TooSlowError) as group:
            reason = (
                group.exceptions[0] if not isinstance(group.exceptions[0], trio.TooSlowError) else "it took too long"
            )
            lines.append(f"The step has passed, but not everything worked with the other end: {reason}")
        nursery.cancel_scope.cancel()
    return lines
