"""The script of docs/FAQ.md in a real browser: a SUB and a REQ in a page, and our PUB and REP."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import trio

import minihttp
import minizmtp as zmq
from tests.browser import Browser

FAQ = Path(__file__).parent.parent / "docs/FAQ.md"

PAGE = """<!doctype html><title>zws</title><p id="news"></p><p id="answer"></p><script>
%s
const text = (frames) => frames.map((frame) => new TextDecoder().decode(frame)).join("|");
const show = (id) => (frames) => { document.getElementById(id).textContent += text(frames) + ";"; };
const sub = new ZwsSocket("%s", show("news"));
sub.subscribe("a");
const req = new ZwsSocket("%s", show("answer"));
req.send("", "question");
</script>"""


@pytest.mark.slow
@pytest.mark.requirement("45-8", "45-9")
async def test_a_page_subscribes_and_asks(browser: Browser, nursery: trio.Nursery) -> None:
    (script,) = re.findall(r"```javascript\n(.*?)```", FAQ.read_text("utf-8"), re.DOTALL)
    async with zmq.Context() as ctx:
        xpub, rep = ctx.socket(zmq.XPUB, linger=0), ctx.socket(zmq.REP, linger=0)
        xpub.bind("ws://127.0.0.1:*/news")
        rep.bind("ws://127.0.0.1:*/ask")
        page = PAGE % (script, xpub.last_endpoint, rep.last_endpoint)

        async def handler(request: minihttp.Request) -> minihttp.Response:
            return minihttp.Response(200, html=page)

        (listener,) = await nursery.start(minihttp.serve, handler)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        await trio.to_thread.run_sync(partial(browser.command, "Page.navigate", url=url))
        with trio.fail_after(20):
            assert await xpub.recv() == b"\1a"
            assert await rep.recv() == b"question"
            await xpub.send_multipart([b"b, not wanted"])
            await xpub.send_multipart([b"a", b"news"])
            await rep.send_multipart([b"the", b"answer"])
            texts = ["", ""]
            while texts != ["a|news;", "|the|answer;"]:
                await trio.sleep(0.05)
                texts = await trio.to_thread.run_sync(
                    browser.ask, "return ['news', 'answer'].map((id) => document.getElementById(id).textContent);"
                )
        nursery.cancel_scope.cancel()
