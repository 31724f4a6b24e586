"""`wrong`: each surprise is really provoked and really cured, and sockets that behave otherwise are found out."""

import pytest

import minizmtp as zmq
from minizmtp.demo.wrong import (
    ANYWHERE,
    MARK,
    NEWS,
    ask_the_dead,
    ask_the_dead_over_http,
    fill,
    subscriber_hears,
    with_credit,
)
from minizmtp.patterns.queue import Queue


async def test_news_is_lost_unless_the_publisher_waits():
    assert (await subscriber_hears(waits=False)).heard == []
    assert (await subscriber_hears(waits=True)).heard == NEWS


@pytest.mark.requirement("28-1", "L-31")
async def test_a_req_is_stuck_unless_it_is_relaxed():
    strict, relaxed = await ask_the_dead(), await ask_the_dead(req_relaxed=1, req_correlate=1)
    assert strict.refused
    assert strict.silent
    assert (relaxed.refused, relaxed.silent, relaxed.reply) == (False, True, b"answer to again")


async def test_http_tells_that_the_server_died():
    assert await ask_the_dead_over_http() in ("RemoteProtocolError", "ReadError")


@pytest.mark.requirement("L-4")
async def test_tcp_buffers_between_the_queues_and_inproc_does_not():
    tcp, inproc = await fill(ANYWHERE, ""), await fill("inproc://here", "")
    assert tcp.queued <= MARK
    assert tcp.unread == MARK
    assert tcp.between > 3 * MARK
    assert (inproc.sent, inproc.queued, inproc.between) == (2 * MARK, 2 * MARK, 0)


async def test_credit_bounds_what_is_on_the_way():
    assert 0 < await with_credit(50) <= MARK


async def test_a_mark_that_does_not_hold_is_found_out(play, monkeypatch):
    init, set_hwm = Queue.__init__, Queue.set_hwm
    monkeypatch.setattr(Queue, "__init__", lambda self, hwm=0, conflate=False: init(self, 5 * hwm, conflate))
    monkeypatch.setattr(Queue, "set_hwm", lambda self, hwm: set_hwm(self, 5 * hwm))  # as inproc does
    broken = (await play("wrong")).broken
    assert [words.partition(":")[0] for words in broken] == [
        "and yet both marks hold",
        "over inproc there is no buffer between them",
    ]


async def test_a_req_that_may_ask_twice_is_found_out(play, monkeypatch):
    socket = zmq.Context.socket

    def relaxed(self, socket_type, **options):
        return socket(self, socket_type, **options | ({"req_relaxed": 1} if socket_type is zmq.REQ else {}))

    monkeypatch.setattr(zmq.Context, "socket", relaxed)
    assert (await play("wrong")).broken == ["and the REQ refused to send again, because it waits for a reply (EFSM)"]
