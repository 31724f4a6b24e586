"""`first`: both stories are what the clients and the monitors told, and one that goes otherwise is found out."""

import pytest

import minizmtp as zmq
from minizmtp.demo.blocks import Timeline
from minizmtp.demo.first import REFUSALS, diary, late_http_server, late_rep, returning_pull


async def test_a_server_that_was_late_is_drawn_behind_the_client(play):
    played = await play("first")
    late, http, *_ = [block for block in played.blocks if isinstance(block, Timeline)]
    for timeline in (late, http):
        client, server = timeline.lanes
        asked = [stretch.start for stretch in client.stretches if stretch.kind == "mark"]
        (there,) = server.stretches
        assert min(asked) < there.start
    assert len([stretch for stretch in http.lanes[0].stretches if stretch.kind == "mark"]) == REFUSALS + 1


@pytest.mark.requirement("L-6")
async def test_the_two_ways_to_come_first():
    ours, http = await late_rep(), await late_http_server()
    assert ours.answers == http.answers == ["world"]
    assert (ours.troubles, http.troubles) == ([], ["ConnectError"] * REFUSALS)


@pytest.mark.requirement("30-4", "L-8")
async def test_messages_for_a_dead_peer_reach_its_successor():
    story = await returning_pull()
    assert (story.answers, story.troubles) == (["one", "two", "three"], ["2 queued"])


async def test_a_message_changed_on_the_way_is_reported(play, monkeypatch):
    send = zmq.Socket.send_string
    monkeypatch.setattr(zmq.Socket, "send_string", lambda self, text: send(self, text.replace("two", "2")))
    (broken,) = (await play("first")).broken
    assert broken.startswith("both sends returned while there was no server; the two messages waited")
    assert (await returning_pull()).answers == ["one", "2", "three"]


async def test_a_diary_knows_its_moments(autojump_clock):
    story = diary()
    async with story.waiting("for nothing"):
        story.note("asks")
    assert story.when("asks") == 0.0
    assert [stretch.kind for stretch in story.timeline("", "zmtp").lanes[0].stretches] == ["wait", "mark"]
