"""Authenticator: a ZAP handler with the names of pyzmq's."""

from __future__ import annotations

import inspect
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
import zmq.auth
import zmq.auth.asyncio

import minizmtp
from minizmtp import PULL, PUSH, Event
from minizmtp.auth import CURVE_ALLOW_ANY, Authenticator, load_certificates
from minizmtp.wire.events import Message
from tests.minizmtp.helpers import WIRES, until
from tests.minizmtp.test_zap import CURVE, MECHANISMS, PLAIN, PUBLIC, SERVER_PUBLIC, SERVER_SECRET, meet, outcome

IN = (Event.HANDSHAKE_SUCCEEDED, 0)
OUT = (Event.HANDSHAKE_FAILED_AUTH, 400)
KEY = minizmtp.z85.decode(PUBLIC)


async def knock(ctx: minizmtp.Context, options: Any, endpoint: str = WIRES[0], **more: Any) -> tuple[Event, int]:
    """How the handshake of one new client with one new server ends."""
    server, client, here, _ = await meet(ctx, options, endpoint, **more)
    ended = await outcome(here)
    client.close()
    server.close()
    return ended


def plain(name: str, password: str, domain: str = "global") -> Any:
    server: dict[str, Any] = {"plain_server": 1} | ({"zap_domain": domain} if domain else {})
    return server, {"plain_username": name, "plain_password": password}


def test_it_has_pyzmqs_names() -> None:
    theirs = zmq.auth.asyncio.AsyncioAuthenticator
    for name in ("start", "stop", "allow", "deny", "configure_plain", "configure_curve", "curve_user_id"):
        ours = inspect.signature(getattr(Authenticator, name)).parameters
        assert list(ours) == list(inspect.signature(getattr(theirs, name)).parameters)
    assert CURVE_ALLOW_ANY == zmq.auth.CURVE_ALLOW_ANY


# ------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_only_allowed_addresses_are_admitted(mechanism: str) -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        assert await knock(ctx, MECHANISMS[mechanism]) == IN
        auth.allow("10.0.0.1")
        assert await knock(ctx, MECHANISMS[mechanism]) == OUT
        auth.allow("10.0.0.2", "127.0.0.1")
        assert await knock(ctx, MECHANISMS[mechanism]) == IN


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_denied_addresses_are_refused(mechanism: str) -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        auth.deny("10.0.0.1")
        assert await knock(ctx, MECHANISMS[mechanism]) == IN
        auth.deny("127.0.0.1")
        assert await knock(ctx, MECHANISMS[mechanism]) == OUT


async def test_allow_and_deny_exclude_each_other_as_in_pyzmq() -> None:
    theirs = zmq.auth.asyncio.AsyncioAuthenticator(zmq.asyncio.Context.instance())
    async with minizmtp.Context() as ctx:
        for first, second in (("allow", "deny"), ("deny", "allow")):
            ours = Authenticator(ctx)
            theirs._allowed, theirs._denied = set(), set()
            for auth in (ours, theirs):
                getattr(auth, first)("10.0.0.1")
                with pytest.raises(ValueError, match="not both"):
                    getattr(auth, second)("10.0.0.2")
                getattr(auth, first)("10.0.0.3")
            assert judged(ours, "10.0.0.3") is (first == "allow")


def judged(auth: Authenticator, address: str) -> bool:
    """Would a peer of NULL at this address be let in?"""
    return auth.answer([b"1.0", b"1", b"", address.encode(), b"", b"NULL"])[2] == b"200"


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", "::ffff:192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8::A", "2001:db8::a"),
        ("2001:0db8:0000::000a", "2001:db8::a"),
        ("fe80::1", "fe80::1"),
        ("fe80::1", "fe80::1%lo"),
        ("fe80::1%lo", "fe80::1%lo"),
        ("FE80::1%1", "fe80::1%lo"),
    ],
)
async def test_two_spellings_of_an_address_are_one_address(named: str, seen: str) -> None:
    assert socket.if_indextoname(1) == "lo"
    async with minizmtp.Context() as ctx:
        allowing, denying = Authenticator(ctx), Authenticator(ctx)
        allowing.allow(named)
        denying.deny(named)
        assert (judged(allowing, seen), judged(denying, seen)) == (True, False)
        for other in ("192.0.2.2", "::ffff:192.0.2.2", "::2", "2001:db8::b", "fe80::2"):
            assert (judged(allowing, other), judged(denying, other)) == (False, True), other


async def test_a_zone_is_part_of_an_address_that_names_it() -> None:
    async with minizmtp.Context() as ctx:
        auth = Authenticator(ctx)
        auth.allow("fe80::1%lo")
        assert [judged(auth, seen) for seen in ("fe80::1%lo", "fe80::1%eth7", "fe80::1")] == [True, False, False]


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "010.0.0.1", "10.0.0.0/8", "[::1]", " ::1", "::1:5555:", "10.0.0.1:5555", "*", 1]
)
async def test_a_malformed_address_is_an_error_at_once(text: Any) -> None:
    async with minizmtp.Context() as ctx:
        for change in ("allow", "deny"):
            auth = Authenticator(ctx)
            with pytest.raises(ValueError, match="expected one IP address"):
                getattr(auth, change)("10.0.0.1", text)
            assert judged(auth, "10.0.0.1")  # nothing has changed: neither this one denied …
            assert judged(auth, "10.0.0.2")  # … nor all others


async def test_a_dual_stack_socket_knows_a_client_by_its_ipv4_address() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        for change, expected in (("deny", OUT), ("allow", IN)):
            auth._denied.clear()
            getattr(auth, change)("127.0.0.1")
            server = ctx.socket(PULL, linger=0, ipv6=1, **PLAIN[0])
            server.bind("tcp://*:*")
            here = server.monitor()
            client = ctx.socket(PUSH, linger=0, **PLAIN[1])
            client.connect(server.last_endpoint.replace("[::]", "127.0.0.1"))
            assert await outcome(here) == expected
        await client.send(b"x")
        with trio.fail_after(10):
            assert (await server.recv_message()).metadata["Peer-Address"] == "::ffff:127.0.0.1"  # as in libzmq


async def test_a_peer_of_ipc_has_no_address_to_be_allowed() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        assert await knock(ctx, PLAIN, WIRES[1]) == IN
        auth.deny("127.0.0.1")
        assert await knock(ctx, PLAIN, WIRES[1]) == IN
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        auth.allow("127.0.0.1")
        assert await knock(ctx, PLAIN, WIRES[1]) == OUT


async def test_an_allowed_address_must_still_know_the_password() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.allow("127.0.0.1")
        assert await knock(ctx, PLAIN) == OUT
        assert await knock(ctx, CURVE) == OUT


async def test_a_connected_peer_stays_when_it_is_denied() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        server, client, here, _ = await meet(ctx, PLAIN)
        assert await outcome(here) == IN
        auth.deny("127.0.0.1")
        await client.send(b"still here")
        with trio.fail_after(10):
            assert await server.recv() == b"still here"


# ------------------------------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize(
    ("name", "password", "domain", "expected"),
    [
        ("anna", "secret", "global", IN),
        ("anna", "Secret", "global", OUT),
        ("anna", "secretly", "global", OUT),
        ("ben", "secret", "global", OUT),
        ("zoë", "pässword", "global", IN),
        ("anna", "other", "inner", IN),
        ("anna", "secret", "inner", OUT),
        ("anna", "starred", "elsewhere", IN),
        ("anna", "starred", "", IN),
        ("anna", "secret", "", OUT),
    ],
)
async def test_passwords_belong_to_a_domain(name: str, password: str, domain: str, expected: object) -> None:
    """A server without a domain, and a domain without passwords of its own, is under `*`. (pyzmq's documentation says
    so of the second, too; its code refuses there.)"""
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "starred"})
        auth.configure_plain("global", {"anna": "secret", "zoë": "pässword"})
        auth.configure_plain("inner", {"anna": "other"})
        assert await knock(ctx, plain(name, password, domain)) == expected


@pytest.mark.parametrize("credentials", [(b"\xff", b"secret"), (b"anna", b"\xff\xfe"), (b"", b""), (b"anna", b"")])
async def test_invalid_utf8_is_refused_and_the_handler_goes_on(credentials: tuple[bytes, bytes]) -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret", "\ufffd": "secret"})
        request = [b"1.0", b"7", b"\xff", b"\xff", b"", b"PLAIN", *credentials]
        assert auth.answer(request)[1:3] == [b"7", b"400"]
        assert await knock(ctx, PLAIN) == IN


async def test_passwords_may_change_while_it_runs() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        assert await knock(ctx, PLAIN) == OUT
        passwords = {"anna": "secret"}
        auth.configure_plain("global", passwords)
        assert await knock(ctx, PLAIN) == IN
        passwords.clear()  # a copy was made
        assert await knock(ctx, PLAIN) == IN
        auth.configure_plain("global", passwords)
        assert await knock(ctx, PLAIN) == OUT


# ---------------------------------------------------------------------------------------------------- certificates


def curve_of(folder: Path, name: str) -> Any:
    """Options for a server, and for a client with this certificate, written by pyzmq."""
    public, secret = zmq.auth.load_certificate(folder / f"{name}.key_secret")
    server = {"curve_server": 1, "curve_secretkey": SERVER_SECRET}
    return server, {"curve_serverkey": SERVER_PUBLIC, "curve_publickey": public, "curve_secretkey": secret}


async def test_pyzmqs_certificates_in_a_folder_are_admitted(tmp_path: Path) -> None:
    for name in ("anna", "ben"):
        zmq.auth.create_certificates(tmp_path, name, {"email": f"{name}@example.org"})
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        assert await knock(ctx, curve_of(tmp_path, "anna")) == OUT  # nothing is configured
        auth.configure_curve(location=tmp_path)
        assert await knock(ctx, curve_of(tmp_path, "anna")) == IN
        assert await knock(ctx, CURVE) == OUT
        (tmp_path / "ben.key").unlink()
        assert await knock(ctx, curve_of(tmp_path, "ben")) == IN  # not read again by itself
        auth.configure_curve(location=str(tmp_path))
        assert await knock(ctx, curve_of(tmp_path, "ben")) == OUT
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        assert await knock(ctx, curve_of(tmp_path, "ben")) == await knock(ctx, CURVE) == IN


def test_the_same_keys_are_found_as_by_pyzmq(tmp_path: Path) -> None:
    for name in ("anna", "ben"):
        zmq.auth.create_certificates(tmp_path, name)
    found = load_certificates(tmp_path)
    assert {minizmtp.z85.encode(key) for key in found} == set(zmq.auth.load_certificates(tmp_path))
    assert sorted(found.values()) == ["anna", "ben"]


@pytest.mark.parametrize("text", ["", "curve\n", 'public-key = "too short"', f'public-key = "{"#" * 40}"'])
async def test_an_error_names_the_certificate_that_has_no_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.key").write_text(text)
    async with minizmtp.Context() as ctx:
        auth = Authenticator(ctx)
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        with pytest.raises(ValueError, match=r"bad\.key: "):
            auth.configure_curve(location=tmp_path)
        assert auth.answer([b"1.0", b"1", b"", b"", b"", b"CURVE", KEY])[2] == b"200"  # all is as it was


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async with minizmtp.Context() as ctx:
        with pytest.raises(OSError, match="no such folder of certificates"):
            Authenticator(ctx).configure_curve(location=tmp_path / "nowhere")


# ----------------------------------------------------------------------------------------------------------- user ids


@pytest.mark.parametrize(("mechanism", "user"), [("NULL", "anonymous"), ("PLAIN", "anna"), ("CURVE", PUBLIC.decode())])
async def test_the_receiver_gets_pyzmqs_user_ids(mechanism: str, user: str) -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        server, client, _, _ = await meet(ctx, MECHANISMS[mechanism])
        await client.send(b"hi")
        with trio.fail_after(10):
            assert (await server.recv_message()).metadata["User-Id"] == user


async def test_a_user_id_may_be_made_of_the_key_in_another_way() -> None:
    class Named(Authenticator):
        def curve_user_id(self, client_public_key: bytes) -> str:
            return f"key-{client_public_key[:2].hex()}"

    async with minizmtp.Context() as ctx:
        auth = Named(ctx)
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        assert auth.answer([b"1.0", b"1", b"", b"", b"", b"CURVE", KEY])[4] == b"key-" + KEY[:2].hex().encode()


@pytest.mark.parametrize(
    "request_",
    [
        [b"1.0", b"1", b"", b"", b"", b"CURVE"],
        [b"1.0", b"1", b"", b"", b"", b"PLAIN", b"anna"],
        [b"1.0", b"1", b"", b"", b"", b"GSSAPI", b"x"],
        [b"1.1", b"1", b"", b"", b"", b"NULL"],
        [b"1.0", b"1"],
        [b"1.0"],
    ],
)
async def test_a_malformed_request_is_answered_with_status_500(request_: list[bytes]) -> None:
    async with minizmtp.Context() as ctx:
        auth = Authenticator(ctx)
        answer = auth.answer(request_)
        assert len(answer) == 6
        assert answer[2] in (b"400", b"500")
        assert answer[4] == b""


# --------------------------------------------------------------------------------------------------------- errors


class Failing(Authenticator):
    """Judges the first peer of CURVE with an error, and all others as usual."""

    def __init__(self, ctx: minizmtp.Context, failure: object) -> None:
        super().__init__(ctx)
        self.failures = [failure]

    def curve_user_id(self, client_public_key: bytes) -> str:
        failure: Any = self.failures.pop() if self.failures else super().curve_user_id(client_public_key)
        if isinstance(failure, Exception):
            raise failure
        return failure  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "failure", [KeyError("no such user"), OSError("the database is away"), None, 5, "\ud800", "x" * 256]
)
@pytest.mark.usefixtures("errors_expected")
async def test_an_error_while_one_peer_is_judged_is_answered_500(
    failure: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with minizmtp.Context() as ctx, Failing(ctx, failure) as auth:
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        auth.configure_plain(passwords={"anna": "secret"})
        assert await knock(ctx, CURVE) == (Event.HANDSHAKE_FAILED_AUTH, 500)
        assert "ZAP: error while judging CURVE from 127.0.0.1: answered 500" in caplog.text
        assert "Traceback" in caplog.text
        assert await knock(ctx, PLAIN) == IN
        assert await knock(ctx, CURVE) == IN


@pytest.mark.parametrize("reply", [KeyError("no such user"), None, [], ["text"]])
@pytest.mark.usefixtures("errors_expected")
async def test_an_error_in_an_overridden_answer_ends_one_request(reply: object) -> None:
    class Once(Authenticator):
        has_failed = False

        def answer(self, request: Message) -> Message:
            if self.has_failed:
                return super().answer(request)
            self.has_failed = True
            if isinstance(reply, Exception):
                raise reply
            return reply  # type: ignore[return-value]

    async with minizmtp.Context() as ctx, Once(ctx) as auth:
        auth.configure_curve(location=CURVE_ALLOW_ANY)
        assert await knock(ctx, CURVE) == (Event.HANDSHAKE_FAILED_AUTH, 500)
        assert await knock(ctx, CURVE) == IN


# --------------------------------------------------------------------------------------------------------- life


async def test_it_may_start_and_stop_and_start_again() -> None:
    async with minizmtp.Context() as ctx:
        auth = Authenticator(ctx)
        auth.configure_plain(passwords={"anna": "secret"})
        for _ in range(2):
            auth.start()
            assert await knock(ctx, PLAIN) == IN
            assert await knock(ctx, plain("anna", "wrong")) == OUT
            auth.stop()
            assert (await knock(ctx, PLAIN))[0] is Event.HANDSHAKE_FAILED_NO_DETAIL
        auth.stop()


async def test_a_second_one_is_refused_and_the_first_goes_on() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={"anna": "secret"})
        with pytest.raises(minizmtp.ZMQError, match="bound already"):
            Authenticator(ctx).start()
        assert await knock(ctx, PLAIN) == IN


async def test_a_client_is_admitted_when_the_handler_starts() -> None:
    async with minizmtp.Context() as ctx:
        auth = Authenticator(ctx)
        auth.configure_plain(passwords={"anna": "secret"})
        _, _, here, there = await meet(ctx, PLAIN)
        await until(there, Event.HANDSHAKE_FAILED_NO_DETAIL)
        auth.start()
        with trio.fail_after(10):
            await until(here, Event.HANDSHAKE_SUCCEEDED)


async def test_each_of_many_clients_gets_its_own_answer() -> None:
    async with minizmtp.Context() as ctx, Authenticator(ctx) as auth:
        auth.configure_plain(passwords={f"user{number}": f"{number}" for number in range(0, 40, 2)})
        server = ctx.socket(PULL, plain_server=1)
        server.bind(WIRES[0])
        for number in range(40):
            client = ctx.socket(PUSH, linger=0, plain_username=f"user{number}", plain_password=f"{number}")
            client.connect(server.last_endpoint)
            await client.send(b"%d" % number)
        with trio.fail_after(20):
            came = [await server.recv_message() for _ in range(20)]
        assert sorted(int(message.frames[0]) for message in came) == list(range(0, 40, 2))
        assert all(message.metadata["User-Id"] == f"user{message.frames[0].decode()}" for message in came)
