"""A pipeline that finishes: ventilator, workers, and a sink that counts.                        30/PIPELINE, L-8, L-9

    ventilator                   workers                      sink
      PUSH ──┬── 4, task ──► PULL     PUSH ── 4, result ──┬─► PULL     {0: …, 1: …, 2: …}
             └── 5, task ──► PULL ✗   PUSH                ┘            5 is missing
      PULL ◄───────────────────── [5], again ─────────────────── PUSH

PUSH sends each task to one worker, and waits when none has room. It never drops a task *for want of room*. But with a
worker that is killed, everything dies that was on its way to it: what it worked on, what its PULL had queued, what was
in the kernel's buffers, and what PUSH had queued for it (L-9; a PUSH that connects keeps the last of these, L-8). That
may be a thousand messages and more. Nobody is told, for nobody knows: PUSH and PULL have no way back.

So the way back is built here. Each task has a number, the sink counts, and when nothing has come for a while it asks
for what is missing. Only the *sink* can know, because only it sees what was finished; a "done" from the worker to the
ventilator would leave out the way between worker and sink.

**What may happen twice**: a task whose worker is merely slow is sent again, and its result comes twice. The sink keeps
the first. So the work must bear being done twice, as in `lazy_pirate`.

**What it does not survive**: the death of the ventilator or the sink. Start these two together, and anew.

A PUSH deals tasks out in turn, and ahead of time. `sndhwm=1` and `rcvhwm=1` keep the queues short, so that a death
costs less; but between the two stands the kernel's buffer (L-4), which has room for thousands of tasks as short as
these. Where each task is dear, let the workers ask for work, as in `broker`.

Try it: make the tasks 100 kB long, and count what one death costs then. Then leave out `again`.
Read next: `actors`.
"""

from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq


async def ventilator(ctx: zmq.Context, work: str, again: str, tasks: list[bytes]) -> None:
    """Every task once, and then until cancelled those that are asked for again."""
    async with ctx.socket(zmq.PUSH, linger=0, sndhwm=1) as push, ctx.socket(zmq.PULL, conflate=1) as pull:
        push.bind(work)
        pull.bind(again)
        await push.send_many([[b"%d" % number, task] for number, task in enumerate(tasks)])
        while True:
            await push.send_many([[b"%d" % number, tasks[number]] for number in await pull.recv_json()])


async def worker(ctx: zmq.Context, work: str, results: str, do: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work until `do` raises: then die with it, and with all that is queued here."""
    async with ctx.socket(zmq.PULL, rcvhwm=1) as pull, ctx.socket(zmq.PUSH, linger=0) as push:
        pull.connect(work)
        push.connect(results)
        async for number, task in pull:
            await push.send_multipart([number, await do(task)])


async def sink(ctx: zmq.Context, results: str, again: str, count: int, patience: float) -> list[bytes]:
    """The results of tasks 0 to count - 1, in this order, each once."""
    done: dict[int, bytes] = {}
    # conflate: of several lists that the ventilator has not read, only the newest counts; they never pile up.
    async with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH, linger=0, conflate=1) as push:
        pull.bind(results)
        push.connect(again)
        while len(done) < count:
            with trio.move_on_after(patience) as quiet:
                number, result = await pull.recv_multipart()
            if not quiet.cancelled_caught:
                done.setdefault(int(number), result)
                continue
            missing = [number for number in range(count) if number not in done]
            print(f"sink: nothing for {patience} s, and {missing} are missing")
            await push.send_json(missing)
    return [done[number] for number in range(count)]


async def steady(task: bytes) -> bytes:
    """A worker's work."""
    await trio.sleep(0.02)
    return task.upper()


async def short_life(ctx: zmq.Context, work: str, results: str) -> None:
    """A worker that is killed in the middle of its third task."""
    tasks = 0

    async def do(task: bytes) -> bytes:
        nonlocal tasks
        tasks += 1
        if tasks == 3:
            raise RuntimeError(f"is killed while it works on {task!r}")
        return await steady(task)

    try:
        await worker(ctx, work, results, do)
    except RuntimeError as error:
        print(f"worker: {error}")


async def main() -> None:
    """Twenty tasks and three workers, one of which is killed."""
    with TemporaryDirectory() as folder:
        work, results, again = (f"ipc://{folder}/{name}" for name in ("work", "results", "again"))
        tasks = [b"task %d" % number for number in range(20)]
        async with zmq.Context() as ctx, trio.open_nursery() as nursery:
            nursery.start_soon(ventilator, ctx, work, again, tasks)
            nursery.start_soon(short_life, ctx, work, results)
            for _ in range(2):
                nursery.start_soon(worker, ctx, work, results, steady)
            finished = await sink(ctx, results, again, len(tasks), patience=0.5)
            print(f"sink: {len(finished)} results, in order:", b", ".join(finished).decode())
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
