"""`patterns`: the work is done, the bill is counted, and what is otherwise is found out."""

import minizmtp as zmq
from minizmtp.demo.dispatch import SQUARES, TASKS, WORKERS
from minizmtp.demo.patterns import actors, pipeline, pipeline_over_http


async def test_a_pipeline_does_all_the_work_in_equal_shares():
    shares, results, cost = await pipeline()
    assert results == sorted(SQUARES.values())
    assert shares == dict.fromkeys(WORKERS, 4)
    assert (cost.messages, cost.connections) == (2 * len(TASKS), 2 * len(WORKERS))


async def test_over_http_the_same_work_takes_twice_the_messages():
    results, cost = await pipeline_over_http()
    assert results == sorted(SQUARES.values())
    assert (cost.messages, cost.connections) == (4 * len(TASKS), 2 * len(WORKERS))


async def test_actors_share_nothing_but_messages():
    balance, is_same, is_silent, cost = await actors()
    assert (balance, is_same, is_silent) == (369, True, True)
    assert cost[1:] == (18, 0, 0)


async def test_an_inproc_that_copies_is_found_out(play, monkeypatch):
    recv = zmq.Socket.recv

    async def copying(self, flags=0):
        return bytes(bytearray(await recv(self, flags)))

    monkeypatch.setattr(zmq.Socket, "recv", copying)
    (broken,) = (await play("patterns")).broken
    assert broken.startswith("no connection was made (the monitors report none), and no octet was copied")


async def test_a_task_that_comes_twice_is_found_out(play, monkeypatch):
    send = zmq.Socket.send

    async def twice(self, data, flags=0):
        await send(self, data, flags)
        if data == b"16":  # a result, behind which the same worker has others: so the sink does not end before it
            await send(self, data, flags)

    monkeypatch.setattr(zmq.Socket, "send", twice)
    assert (await play("patterns")).broken == ["every square arrived, once"]
