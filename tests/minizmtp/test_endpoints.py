"""Endpoints: every form, every refusal, and that each refusal says what would be right."""

import pytest

from minizmtp.errors import EINVAL, EPROTONOSUPPORT, ZMQError
from minizmtp.net.endpoints import Endpoint, Inproc, Ipc, Tcp, parse_endpoint

BOTH: list[tuple[str, Endpoint]] = [
    ("tcp://127.0.0.1:5555", Tcp("127.0.0.1", 5555)),
    ("tcp://127.0.0.1:1", Tcp("127.0.0.1", 1)),
    ("tcp://127.0.0.1:65535", Tcp("127.0.0.1", 65535)),
    ("tcp://[::1]:5555", Tcp("::1", 5555)),
    ("tcp://[fe80::1%lo]:5555", Tcp("fe80::1%lo", 5555)),
    ("tcp://localhost:5555", Tcp("localhost", 5555)),
    ("tcp://a.very-long.name.example:80", Tcp("a.very-long.name.example", 80)),
    ("ipc:///run/app.sock", Ipc("/run/app.sock")),
    ("ipc://relative/path", Ipc("relative/path")),
    ("ipc://with:colon and space", Ipc("with:colon and space")),
    ("ipc://@app", Ipc("@app")),
    ("inproc://app", Inproc("app")),
    ("inproc://a://b *", Inproc("a://b *")),
]
CONNECT_ONLY: list[tuple[str, Endpoint]] = [
    ("tcp://10.0.0.7:0;10.0.0.1:5555", Tcp("10.0.0.1", 5555, Tcp("10.0.0.7", 0))),
    ("tcp://10.0.0.7:7000;server:5555", Tcp("server", 5555, Tcp("10.0.0.7", 7000))),
    ("tcp://[fe80::1%eth0]:0;[fe80::2%eth0]:5555", Tcp("fe80::2%eth0", 5555, Tcp("fe80::1%eth0", 0))),
    ("tcp://eth0:0;10.0.0.1:5555", Tcp("10.0.0.1", 5555, Tcp("eth0", 0))),
    ("tcp://*:7000;10.0.0.1:5555", Tcp("10.0.0.1", 5555, Tcp("*", 7000))),
]
BIND_ONLY: list[tuple[str, Endpoint]] = [
    ("tcp://*:5555", Tcp("*", 5555)),
    ("tcp://*:*", Tcp("*", 0)),
    ("tcp://127.0.0.1:*", Tcp("127.0.0.1", 0)),
    ("tcp://127.0.0.1:0", Tcp("127.0.0.1", 0)),
    ("tcp://[::]:*", Tcp("::", 0)),
    ("ipc://*", Ipc("*")),
]
REFUSED = [
    "",
    "tcp",
    "tcp:",
    "tcp://",
    "ipc://",
    "inproc://",
    "127.0.0.1:5555",
    "tcp:/127.0.0.1:5555",
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:",
    "tcp://:5555",
    "tcp://[]:5555",
    "tcp://[::1:5555",
    "tcp://::1]:5555",
    "tcp://[::1]x:5555",
    "tcp://[[::1]]:5555",
    "tcp://::1:5555",
    "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:99999",
    "tcp://127.0.0.1:-1",
    "tcp://127.0.0.1:+1",
    "tcp://127.0.0.1: 1",
    "tcp://127.0.0.1:five",
    "tcp://127.0.0.1:\u0661\u0662",  # digits for str.isdigit only
    "tcp://127.0.0.1:5_5",
    "ipc:///tmp/with\0zero",
    "ipc://@",
    "tcp://;127.0.0.1:5555",
    "tcp://127.0.0.1:1;",
    "tcp://127.0.0.1:1;127.0.0.1:2;127.0.0.1:3",
    "tcp://127.0.0.1:99999;127.0.0.1:5555",
    "tcp://::1;[::1]:5555",
]


@pytest.mark.requirement("L-15")
@pytest.mark.parametrize(("text", "endpoint"), BOTH + BIND_ONLY)
def test_bind_takes_every_form(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(("text", "endpoint"), BOTH + CONNECT_ONLY)
def test_connect_accepts_every_endpoint_with_a_destination(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text, connect=True) == endpoint


@pytest.mark.parametrize(("text", "endpoint"), BOTH + CONNECT_ONLY)
def test_an_endpoint_is_written_as_it_was_read(text: str, endpoint: Endpoint) -> None:
    assert str(endpoint) == text


@pytest.mark.parametrize("source", ["10.0.0.7", "[::1]", "eth0", "*"])
def test_a_source_may_do_without_a_port(source: str) -> None:
    endpoint = parse_endpoint(f"tcp://{source};server:5555", connect=True)
    assert endpoint == Tcp("server", 5555, Tcp(source.strip("[]"), 0))


@pytest.mark.parametrize("text", [text for text, _ in CONNECT_ONLY])
def test_a_source_is_for_connect(text: str) -> None:
    with pytest.raises(ZMQError, match="is for connect") as caught:
        parse_endpoint(text)
    assert caught.value.errno == EINVAL


@pytest.mark.requirement("L-16")
@pytest.mark.parametrize("text", [text for text, _ in BIND_ONLY])
def test_connect_refuses_what_is_for_bind_and_says_so(text: str) -> None:
    with pytest.raises(ZMQError, match=r"is for bind|are for bind") as caught:
        parse_endpoint(text, connect=True)
    assert caught.value.errno == EINVAL


@pytest.mark.requirement("L-16")
@pytest.mark.parametrize("connect", [False, True], ids=["bind", "connect"])
@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_meant_is_refused(text: str, connect: bool) -> None:
    """… in a sentence that names it, and what would be right."""
    with pytest.raises(ZMQError, match=r"expected|an abstract name is written") as caught:
        parse_endpoint(text, connect)
    assert caught.value.errno == EINVAL
    assert repr(text)[1:-1] in str(caught.value) or text in str(caught.value)


@pytest.mark.requirement("L-16")
@pytest.mark.parametrize("text", ["udp://127.0.0.1:5555", "TCP://127.0.0.1:5555", "pgm://x", "http://example.com"])
def test_another_transport_is_not_supported_and_ours_are_named(text: str) -> None:
    with pytest.raises(ZMQError, match="there are tcp, ipc, inproc, ws and wss") as caught:
        parse_endpoint(text)
    assert caught.value.errno == EPROTONOSUPPORT


@pytest.mark.parametrize("text", [b"tcp://127.0.0.1:5555", None, 5555, ("127.0.0.1", 5555)])
def test_an_endpoint_is_text(text: object) -> None:
    with pytest.raises(TypeError, match="expected an endpoint as a str, such as tcp://"):
        parse_endpoint(text)  # type: ignore[arg-type]
