"""A pipeline that finishes: ventilator, workers, and a sink that counts.                        30/PIPELINE, L-8, L-9

    ventilator                   workers                      sink
      PUSH ──┬── 4, task ──► PULL     PUSH ── 4, result ──┬─► PULL     {0: …, 1: …, 2: …}
             └── 5, task ──► PULL ✗   PUSH                ┘            5 is missing
      PULL ◄───────────────────── [5], again ─────────────────── PUSH

PUSH sends each task to one worker, and waits when no worker has room; it never drops a task *for lack of room*. But
when a worker is killed, all tasks on their way to it are lost: the one it works on, those in its PULL's queue, those in
the kernel's buffers, and those that PUSH has queued for it (L-9; a PUSH that connects keeps the latter, L-8). That may
be more than a thousand messages. PUSH can't notice the loss, because PULL sends nothing back.

So this program adds a way back. Each task has a number; the sink counts the results and, when none has come for a
while, asks for the missing ones. It must be the *sink* that asks, because only it sees which results have arrived. A
"done" from a worker to the ventilator wouldn't cover results that are lost between the worker and the sink.

**What may happen twice**: if a worker is merely slow, its task is sent again and its result comes twice. The sink keeps
the first. So a task must be safe to do twice, as in `lazy_pirate`.

**What it doesn't survive**: the death of the ventilator or of the sink. Restart these two together.

A PUSH distributes tasks in turn, before the workers ask for them. `sndhwm=1` and `rcvhwm=1` keep the queues short, so
that fewer tasks are lost with a worker. But the kernel's buffer between the queues (L-4) still holds thousands of tasks
as short as these. If losing a task is expensive, let the workers ask for work, as in `broker`.

Try it: make the tasks 100 kB long, and count how many are lost with a worker. Then remove `again`.
Read next: `actors`.
"""

from collections.abc import Awaitable, Callable
from tempfile import TemporaryDirectory

import trio

import minizmtp as zmq
from examples import places


async def ventilator(ctx: zmq.Context, work: str, again: str, tasks: list[bytes]) -> None:
    """Send every task once, and then, until cancelled, those that the sink asks for again."""
    async with ctx.socket(zmq.PUSH, linger=0, sndhwm=1) as push, ctx.socket(zmq.PULL, conflate=1) as pull:
        push.bind(work)
        pull.bind(again)
        await push.send_many([[b"%d" % number, task] for number, task in enumerate(tasks)])
        while True:
            await push.send_many([[b"%d" % number, tasks[number]] for number in await pull.recv_json()])


async def worker(ctx: zmq.Context, work: str, results: str, do: Callable[[bytes], Awaitable[bytes]]) -> None:
    """Work until `do` raises, which ends the worker and loses the tasks in its queue."""
    async with ctx.socket(zmq.PULL, rcvhwm=1) as pull, ctx.socket(zmq.PUSH, linger=0) as push:
        pull.connect(work)
        push.connect(results)
        async for number, task in pull:
            await push.send_multipart([number, await do(task)])


async def sink(ctx: zmq.Context, results: str, again: str, count: int, patience: float) -> list[bytes]:
    """Collect the results of tasks 0 to count - 1, and return each once, in this order."""
    done: dict[int, bytes] = {}
    # conflate, because only the newest list counts: lists that the ventilator hasn't read yet must not pile up.
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
            print(f"sink: no result for {patience} s; missing: {missing}")
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
            raise RuntimeError(f"killed while working on {task!r}")
        return await steady(task)

    try:
        await worker(ctx, work, results, do)
    except RuntimeError as error:
        print(f"worker: {error}")


async def main() -> None:
    """Run twenty tasks on three workers, one of which is killed."""
    with TemporaryDirectory() as folder:
        work, results, again = places(folder, "work", "results", "again")
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
