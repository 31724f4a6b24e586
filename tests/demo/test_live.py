"""`--live` in a real browser: what is typed there, and what the sockets do, is shown there and on the terminal."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

import minihttp
import minizmtp as zmq
from minizmtp.demo.__main__ import main
from minizmtp.demo.live import MOST_SHOWN
from tests.browser import CONTRASTS, Browser

ROOT = Path(__file__).parents[2]
LIVE = [sys.executable, "-W", "error", "-m", "minizmtp.demo", "--live"]
PATIENCE = 30


class Live:
    """The command while it runs. said: what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.said = process.stdout.readline()
        self.url = self.said.split()[0]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def end(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and what went to stderr."""
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGINT)
        code, errors = self.process.wait(timeout=PATIENCE), self.process.stderr.read()
        self._reader.join()
        return code, errors


@contextmanager
def live(*options: str) -> Iterator[Live]:
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [*LIVE, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=ROOT, env=environment
    ) as process:
        try:
            yield Live(process)
        finally:
            process.kill()


def until(true: Callable[[], object]) -> None:
    """Wait for another process."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def text(browser: Browser, element: str) -> str:
    return str(browser.ask("return document.getElementById(arguments[0]).textContent", element))


def test_a_browser_asks_and_subscribes_and_sees_each_octet(browser: Browser) -> None:
    with live() as server:
        browser.console(), browser.requests()
        browser.command("Page.navigate", url=server.url)
        until(lambda: text(browser, "state") == "connected")
        browser.ask("const it = document.getElementById('question'); it.value = 'more light'; it.form.requestSubmit()")
        until(lambda: text(browser, "answer") == "MORE LIGHT")
        until(lambda: text(browser, "news") == "said more light")

        # The upgrade, the routing ids, the subscription and the messages, each octet with its name.
        until(lambda: "MORE LIGHT" in text(browser, "records"))
        records = text(browser, "records")
        for words in (
            "request line: method GET, path /ask",
            "Sec-WebSocket-Protocol: what is spoken inside",
            "status line: 101",
            ": the routing id",
            "masking key: XORed with what follows",
            "payload: masked",
            "more light",
        ):
            assert words in records, words
        assert "/octets" not in records
        until(lambda: "MORE LIG" in server.said)
        assert "4d 4f 52 45 20 4c 49 47" in server.said
        assert "┊ body: what the program sent" in server.said
        assert "/octets" not in server.said

        # The publisher filters: the time crosses only after it was subscribed to.
        assert text(browser, "news").startswith("said")
        browser.ask("document.getElementById('time').click()")
        until(lambda: text(browser, "news").startswith("time "))

        loaded = [url for url in browser.requests() if not url.startswith("data:")]
        assert set(loaded) <= {server.url, *(server.url.replace("http", "ws") + it for it in ("octets", "ask", "news"))}
        assert browser.console() == []
        assert [words for contrast, words in browser.ask(CONTRASTS) if contrast < 4.5] == []

        # Old records are removed.
        browser.ask(
            "for (let n = 0; n < arguments[0]; n++) show({title: '', side: 'client', spans: []})", MOST_SHOWN + 10
        )
        assert browser.ask("return document.getElementById('records').children.length") == MOST_SHOWN
        browser.command("Page.navigate", url="about:blank")
        assert server.end() == (0, "")


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
]


async def test_pages_of_other_origins_are_refused() -> None:
    with live() as server:
        async with minihttp.AsyncClient(timeout=PATIENCE) as client:
            for path in ("", "ask", "octets"):
                answers = [(await client.get(server.url + path, headers=headers)).status_code for headers in FOREIGN]
                assert answers == [403] * len(FOREIGN)
            page = await client.get(server.url)
            assert page.status_code == 200
            assert "default-src 'none'" in page.text
            assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page.text) == []


async def test_a_program_may_ask_and_is_shown_too() -> None:
    with live() as server, trio.fail_after(PATIENCE):
        async with zmq.Context() as ctx:
            req = ctx.socket(zmq.REQ, linger=0)
            req.connect(server.url.replace("http", "ws") + "ask")
            await req.send(b"hello")
            assert await req.recv() == b"HELLO"
            await req.send_multipart([b"two", b"frames"])
            assert await req.recv_multipart() == [b"TWO", b"FRAMES"]
        until(lambda: "closed" in server.said)
        assert "┊ command: READY" in server.said
        assert server.end() == (0, "")


def test_it_listens_on_loopback_at_the_port_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with live() as server:
        host, port = re.match(r"http://(.*):(\d+)/", server.url).groups()  # type: ignore[union-attr]
        assert host == "127.0.0.1"
        assert main(["--live", "--port", port]) == 2
        assert "EADDRINUSE" in capsys.readouterr().err
    for wrong, words in [
        (["--live", "--port", "65536"], "expected a number up to 65535"),
        (["--live", "meet"], "leave out PART, --all and --html"),
        (["--port", "8000"], "add --live, or leave them out"),
    ]:
        with pytest.raises(SystemExit):
            main(wrong)
        assert words in capsys.readouterr().err
