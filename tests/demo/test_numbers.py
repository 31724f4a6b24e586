"""`numbers`: what is measured is right as well as fast."""

import pytest

import minihttp
from minizmtp.demo.numbers import dealer_in_flight, http, http_in_flight, one_way, reqrep, seconds


@pytest.mark.parametrize("ends", [reqrep, http])
async def test_a_measured_answer_is_a_right_one(ends):
    async with ends() as ask:
        assert await ask(b"words")
        assert await seconds(3, ask, b"words") > 0


@pytest.mark.parametrize("measure", [dealer_in_flight, http_in_flight])
@pytest.mark.parametrize(("in_flight", "count"), [(1, 3), (4, 10), (10, 10)])
async def test_any_number_of_requests_may_be_in_flight(measure, in_flight, count):
    assert await measure(in_flight, count) > 0


async def test_one_way_is_measured_to_its_end():
    assert 0 < await one_way() < 1


async def test_a_wrong_answer_ends_the_part_and_is_named(play, monkeypatch):
    response = minihttp.Response
    monkeypatch.setattr(minihttp, "Response", lambda status, **_: response(status, content=b"something else"))
    (broken,) = (await play("numbers")).broken
    assert broken.startswith("part numbers runs to its end (it stopped at ValueError: what came back")
