"""`dispatch`: who gets which task, and when the stuck one is stopped."""

import pytest

from minizmtp.demo.dispatch import READY, SQUARES, STUCK, TASKS, WORKERS, Desk, dispatch, dispatch_over_http


@pytest.mark.parametrize(("work", "messages", "connections"), [(dispatch, 29, 3), (dispatch_over_http, 36, 6)])
async def test_all_is_done_though_one_is_stuck(work, messages, connections):
    desk, cost = await work()
    assert desk.done == SQUARES
    assert desk.shares[STUCK] == 1
    assert sum(desk.shares.values()) == len(TASKS) + 1
    assert (cost.messages, cost.connections) == (messages, connections)


def test_a_desk_takes_a_task_back_only_when_it_has_no_other():
    desk = Desk()
    desk.hear(READY)
    assert desk.give(STUCK) == b"1"
    busy = next(name for name in WORKERS if name != STUCK)
    while (task := desk.give(busy)) is not None:
        assert not desk.take_back()
        desk.hear(b"%d %d" % (int(task), int(task) ** 2))
    assert desk.take_back()
    assert not desk.take_back()
    assert desk.give(busy) == b"1"
    assert desk.give(busy) is None
