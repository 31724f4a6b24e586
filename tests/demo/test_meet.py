"""`meet`: one port, and a conversation whose frames are those of TCP; a client that does not mask is found out."""

import pytest

from minizmtp.demo.blocks import Conversation
from minizmtp.demo.meet import PAGE, frames_over_ws, over_one_port
from minizmtp.demo.page import tour_page
from minizmtp.trace import Side
from minizmtp.trace.records import records
from minizmtp.wire.zws import Wrapper
from tests.markup import check_page


@pytest.mark.requirement("45-2", "45-6")
async def test_get_becomes_ready_and_then_messages():
    port = await over_one_port()
    assert port.page == PAGE
    assert frames_over_ws(port.talk, Side.SERVER) == b"\x04\x19\5READY\x0bSocket-Type\0\0\0\3REP" + 2 * b"\1\0\0\5world"
    assert frames_over_ws(port.talk, Side.CLIENT).endswith(2 * b"\1\0\0\5hello")


async def test_each_record_of_the_page_says_what_happens(play):
    played = await play("meet")
    (block,) = [block for block in played.blocks if isinstance(block, Conversation)]
    whats = [record.what for record in records(block.spans)]
    assert whats == ["request", "response", "READY", "READY", "message", "message"]
    page = check_page(tour_page(played.blocks))
    assert [next(record.all("p", "what")).text.split(".")[0] for record in page.all("li", "record")][:2] == [
        "The client begins with an HTTP request, because a browser can open no other connection, and because a web "
        "server can share its port with it",
        "The server agrees, and names the subprotocol that it has chosen: ZWS2",
    ]
    assert len([it for it in page.all("p", "opened") if it.text == "Without the mask:"]) == 3


async def test_a_client_that_does_not_mask_is_found_out(play, monkeypatch):
    monkeypatch.setattr(Wrapper, "new_keys", lambda self, count=1: bytes(4 * count))
    (broken,) = (await play("meet")).broken
    assert broken.startswith("the mask hides nothing: 68 65 6c 6c 6f")
