"""`many`: what is printed is what is run, and both programs hear the same."""

import pytest

import minizmtp as zmq
from minizmtp.demo import many
from minizmtp.demo.blocks import Listings
from minizmtp.demo.many import NEWS, ORDERS, both_protocols, heard_by, with_nursery, with_poller


@pytest.mark.parametrize("wait", [with_poller, with_nursery])
async def test_both_programs_hear_all_and_each_socket_in_order(wait):
    heard = await heard_by(wait)
    assert [word for word in heard if word in NEWS] == NEWS
    assert [word for word in heard if word in ORDERS] == ORDERS
    assert len(heard) == 6


async def test_the_programs_that_are_printed_are_those_that_are_run(play):
    played = await play("many")
    (block,) = [block for block in played.blocks if isinstance(block, Listings)]
    for listing, function in zip(block.listings, (with_poller, with_nursery), strict=True):
        there = dict(vars(many))
        exec(listing.text, there)
        assert there[function.__name__].__code__.co_names == function.__code__.co_names
        assert sorted(await heard_by(there[function.__name__])) == sorted(NEWS + ORDERS)


async def test_a_nursery_waits_for_http_and_for_a_socket():
    assert await both_protocols() == ["sun", "200"]


async def test_a_poller_that_reports_a_false_event_is_detected(play, monkeypatch):
    poll = zmq.Poller.poll

    async def lying(self, timeout=None):
        return await poll(self, timeout) or [(sock, zmq.POLLIN) for sock in self.sockets]

    monkeypatch.setattr(zmq.Poller, "poll", lying)
    (broken,) = (await play("many")).broken
    assert "poll(10) returns an empty list" in broken
