"""What was kept is on the page; how it looks there, and that it does nothing, is shown by the tests of `html`."""

import html
import io

import pytest

from minizmtp.net.endpoints import Tcp
from minizmtp.tap.ear import Wishes
from minizmtp.tap.page import write_html
from minizmtp.tap.watch import Tap
from minizmtp.trace import Side
from tests.zmtp_bytes import GREETING, frame, ready

pytest.importorskip("jinja2")
pytest.importorskip("svg")

EVIL = b"<script src=http://evil.example></script>"


def page_of(tap: Tap) -> str:
    tap.catch_up()
    file = io.StringIO()
    write_html(file, tap.conversations)
    return file.getvalue()


def test_all_that_was_kept_is_on_the_page_and_how_it_ended() -> None:
    tap = Tap(Wishes(keep=1 << 20))
    for port in (50_000, 50_001):
        number = tap.opened(Tcp("127.0.0.1", port), Tcp("127.0.0.1", 5555), 1.0)
        tap.passed(number, Side.CLIENT, GREETING + ready(b"PUSH") + frame(EVIL), 2.0)
        tap.passed(number, Side.SERVER, GREETING + ready(b"PULL"), 3.0)
        tap.ended(number, Side.CLIENT, "connection reset by peer", 4.0)
    tap.closed(1, 4.0)
    page = page_of(tap)
    assert "1: tcp://127.0.0.1:50000 → tcp://127.0.0.1:5555" in page
    for conversation in tap.conversations:
        for span in [span for side in Side for span in conversation.spans[side]]:
            assert span.octets.hex(" ") in page
            assert html.escape(span.value, quote=False) in page
    assert page.count("After 3.000 s: the client failed: connection reset by peer.") == 2
    assert page.count("The connection is still open.") == 1
    assert "<script" not in page


def test_what_was_not_kept_is_counted() -> None:
    tap = Tap(Wishes(keep=2400))  # its greeting alone costs more: seven fields and a write
    number = tap.opened(None, None, 0.0)
    tap.passed(number, Side.CLIENT, GREETING, 1.0)
    tap.passed(number, Side.CLIENT, ready(b"PUSH"), 1.0)
    tap.closed(number, 3.0)
    assert f"{len(ready(b'PUSH'))} octets that passed later are not shown." in page_of(tap)
