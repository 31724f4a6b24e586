"""Secrets: a password or a secret key stands in no repr, in no words of an exception, and in no log."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

import minizmtp as zmq
from minizmtp.auth import CURVE_ALLOW_ANY, Authenticator, load_certificates
from minizmtp.errors import ProtocolError, Secret
from minizmtp.net.security import choose_mechanism
from minizmtp.options import OPTION_ROWS, Key, Options
from minizmtp.trace import Keys
from minizmtp.wire import AuthRequest, Connection, Greeting, z85
from minizmtp.wire.greeting import encode_greeting
from minizmtp.wire.plain import PlainServer
from tests.minizmtp.helpers import WIRES, until

PASSWORD = "open-s3same"
SERVER_PUBLIC, SERVER_SECRET = zmq.curve_keypair()
PUBLIC, SECRET = zmq.curve_keypair()

# As they are, as a repr shows them, and in hexadecimal.
FORMS = [
    form
    for octets in (PASSWORD.encode(), SERVER_SECRET, SECRET, z85.decode(SERVER_SECRET), z85.decode(SECRET))
    for form in (repr(octets)[2:-1], octets.hex())
]

PLAIN: tuple[dict[str, Any], dict[str, Any]] = (
    {"plain_server": 1},
    {"plain_username": "anna", "plain_password": PASSWORD},
)
CURVE: tuple[dict[str, Any], dict[str, Any]] = (
    {"curve_server": 1, "curve_secretkey": SERVER_SECRET},
    {"curve_serverkey": SERVER_PUBLIC, "curve_publickey": PUBLIC, "curve_secretkey": SECRET},
)


def told(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


# ------------------------------------------------------------------------------------------------- what is set wrong


def test_every_option_that_may_hold_a_secret_hides_its_value() -> None:
    named = {name for name in OPTION_ROWS if "password" in name or name.endswith("key")}
    assert {name for name, row in OPTION_ROWS.items() if row.hidden} == named
    assert {name for name, row in OPTION_ROWS.items() if row.secret} == {"plain_password", "curve_secretkey"}


WRONG: dict[str, Any] = {
    "39 letters": PASSWORD + "x" * 28,
    "41 octets": (PASSWORD + "x" * 30).encode(),
    "40 letters that are no Z85": PASSWORD + "~" * 29,
    "300 letters": PASSWORD * 30,
    "no UTF-8": PASSWORD + "\udcff",
    "a list": [PASSWORD],
    "a dict": {"key": PASSWORD},
    "a bytearray": bytearray(PASSWORD.encode()) * 30,
}


# A password may be any short text.
FIT_FOR_A_PASSWORD = ("39 letters", "41 octets", "40 letters that are no Z85")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param(name, wrong, id=f"{name}: {what}")
        for name, row in OPTION_ROWS.items()
        for what, wrong in WRONG.items()
        if row.hidden and not (name == "plain_password" and what in FIT_FOR_A_PASSWORD)
    ],
)
async def test_the_error_of_a_setter_does_not_show_the_value(name: str, wrong: object) -> None:
    async with zmq.Context() as ctx:
        for attempt in (
            lambda: ctx.socket(zmq.REQ, **{name: wrong}),
            lambda: setattr(ctx.socket(zmq.REQ), name, wrong),
            lambda: setattr(Options(), name, wrong),
        ):
            with pytest.raises((zmq.ZMQError, TypeError), match=name) as caught:
                attempt()
            assert PASSWORD not in str(caught.value) + repr(caught.value) + repr(caught.value.__context__)
            assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: z85.decode(PASSWORD + "x" * 28),
        lambda: z85.decode(PASSWORD[:4] + "~"),
        lambda: z85.decode("####" + PASSWORD[:1]),
        lambda: zmq.curve_public(PASSWORD + "~" * 29),
        lambda: zmq.curve_public(PASSWORD + "x" * 28),
        lambda: Keys(server_secret=PASSWORD + "~" * 29),
        lambda: Keys(server_secret=PASSWORD * 3),
        lambda: Keys(client_secret=PASSWORD.encode()),
    ],
)
def test_a_wrong_key_is_told_by_place_and_number(attempt: Callable[[], object]) -> None:
    with pytest.raises((ValueError, zmq.ZMQError)) as caught:
        attempt()
    assert not any(part in repr(caught.value) for part in (PASSWORD[:4], PASSWORD[4:8], "'~'", "####"))


async def test_a_wrong_password_of_the_authenticator_is_not_shown() -> None:
    async with zmq.Context() as ctx:
        auth = Authenticator(ctx)
        for passwords in ({"anna": PASSWORD.encode()}, {"anna": [PASSWORD]}, {"anna": PASSWORD + "\udcff"}):
            with pytest.raises((TypeError, ValueError), match=r"password.* str, not|UTF-8") as caught:
                auth.configure_plain(passwords=passwords)  # type: ignore[arg-type]
            assert PASSWORD not in repr(caught.value) + str(caught.value)


def test_a_certificate_without_a_key_does_not_show_what_it_holds(tmp_path: Any) -> None:
    (tmp_path / "anna.key").write_text(f'public-key = "{PASSWORD}{"~" * 29}"')
    with pytest.raises(ValueError, match=r"anna\.key: character 12 is not in the Z85 alphabet") as caught:
        load_certificates(tmp_path)
    assert PASSWORD not in str(caught.value)


# ------------------------------------------------------------------------------------------------- what there is


def test_a_secret_is_bytes_with_another_repr() -> None:
    secret = Secret(b"x")
    assert [repr(secret), str(secret), f"{secret} {secret!r}"] == ["<secret>", "<secret>", "<secret> <secret>"]
    assert (secret, secret + b"y", secret.decode(), {secret: 1}[b"x"]) == (b"x", b"xy", "x", 1)


@pytest.mark.parametrize("options", [*PLAIN, *CURVE])
def test_options_and_mechanisms_show_no_secret(options: dict[str, Any]) -> None:
    given = Options()
    for name, value in options.items():
        setattr(given, name, value)
        assert getattr(given, name) == (value.encode() if isinstance(value, str) else value)
    new = choose_mechanism(given)
    for each in (given, given._values, new, new(), vars(new())):
        assert not told(repr(each))


def test_an_auth_request_does_not_show_its_password() -> None:
    server = PlainServer()
    [question] = server.receive(b"HELLO", b"\x04anna" + bytes([len(PASSWORD)]) + PASSWORD.encode())
    assert isinstance(question, AuthRequest)
    assert question.credentials == (b"anna", PASSWORD.encode())
    assert "anna" in repr(question)
    assert not told(repr(question))


def everything(root: object) -> Iterator[tuple[str, object]]:
    """Each attribute of each object of ours that can be reached from this one, with its path."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", root)]
    kept = []
    while waiting:
        path, each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        kept.append(each)  # so that no other object gets its id
        yield path, each
        if isinstance(each, dict):
            waiting += [(f"{path}[{key!r}]", value) for key, value in each.items()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting += [(f"{path}[…]", value) for value in each]
        elif isinstance(each, functools.partial):
            waiting += [(f"{path}(…)", value) for value in (each.func, *each.args, *each.keywords.values())]
        elif hasattr(each, "__self__") and not isinstance(each, type):
            waiting.append((f"{path}.__self__", each.__self__))
        elif type(each).__module__.startswith("minizmtp"):
            names = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            names += list(getattr(each, "__dict__", ()))
            waiting += [(f"{path}.{name}", getattr(each, name)) for name in names if hasattr(each, name)]


@pytest.mark.parametrize("options", [PLAIN, CURVE], ids=["PLAIN", "CURVE"])
async def test_nothing_that_can_be_reached_shows_a_secret(
    options: tuple[dict[str, Any], dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """From a Context with an Authenticator, a server and a client who have talked; and what was logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    async with zmq.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": PASSWORD})
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        server, client = ctx.socket(zmq.REP, linger=0, **options[0]), ctx.socket(zmq.REQ, linger=0, **options[1])
        here = server.monitor()
        server.bind(WIRES[0])
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            await client.send(b"question")
            message = await server.recv_message()
            await server.send(b"answer")
            await client.recv()
        events = list(here._events)
        assert events
        count = 0
        for path, each in everything([ctx, auth, server, client, message, events, server.peers(), client.peers()]):
            count += 1
            assert not told(repr(each)), path
            assert not told(str(each)), path
        assert count > 250
    assert not told(caplog.text)


async def test_a_refused_client_is_logged_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with zmq.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "another"})
        server, client = ctx.socket(zmq.REP, linger=0, **PLAIN[0]), ctx.socket(zmq.REQ, linger=0, **PLAIN[1])
        here, there = server.monitor(), client.monitor()
        server.bind(WIRES[0])
        client.connect(server.last_endpoint)
        with trio.fail_after(10):
            reasons = [(await until(each, zmq.Event.HANDSHAKE_FAILED_AUTH)).reason for each in (here, there)]
    assert "PLAIN from 127.0.0.1 refused" in caplog.text
    assert not told(caplog.text + "".join(reasons))


@pytest.mark.parametrize(
    "said", [b"\x05HELLO\x04anna\x20" + PASSWORD.encode(), b"\x05HELLU\x04anna" + PASSWORD.encode()]
)
def test_a_hello_that_is_wrong_is_not_repeated_in_the_error(said: bytes) -> None:
    connection = Connection(zmq.REP, mechanism=PlainServer())
    connection.receive_data(encode_greeting(b"PLAIN") + bytes([4, len(said) + 11]) + said + PASSWORD.encode())
    assert isinstance(connection.next_event(), Greeting)
    with pytest.raises(ProtocolError) as caught:
        connection.next_event()
    assert not told(str(caught.value))


def test_keys_of_a_trace_are_not_shown() -> None:
    keys = Keys(server_secret=SERVER_SECRET, client_transient=SECRET)
    assert not told(repr(keys) + repr(vars(keys)))


def test_a_public_key_may_be_seen() -> None:
    assert isinstance(OPTION_ROWS["curve_publickey"], Key)
    options = Options()
    options.curve_publickey = PUBLIC
    assert repr(options.curve_publickey) == repr(PUBLIC)
