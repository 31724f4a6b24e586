"""The tap, run as a person runs it: two of our sockets, or HTTP, with the command between them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import minihttp
import minizmtp as zmq
from minizmtp.demo.ends import http_server
from minizmtp.net.endpoints import Ipc, Tcp
from minizmtp.tap.__main__ import leads_back, main
from minizmtp.tap.conversation import Conversation
from minizmtp.tap.show import WIDTH
from minizmtp.trace import Side
from tests.minizmtp.tap.reading import from_json
from tests.minizmtp.tap.test_pcap import heard, read_capture

ROOT = Path(__file__).parents[3]
# Warnings are errors there, too: none may reach a reader.
TAP = [sys.executable, "-W", "error", "-m", "minizmtp.tap"]
PATIENCE = 20


class Running:
    """A tap that runs. said: what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], endpoint: str, said: str) -> None:
        self.process = process
        self.endpoint = endpoint
        self.said = said

    async def end(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C, and its exit code."""
        assert self.process.stdout is not None
        self.process.send_signal(number)
        rest, _ = await trio.to_thread.run_sync(self.process.communicate)
        self.said += rest.decode()
        return self.process.returncode


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": "utf-8"})


@asynccontextmanager
async def tapping(listen: str, connect: str, *options: str | Path) -> AsyncIterator[Running]:
    command = [*TAP, listen, connect, *map(str, options)]
    with start(command) as process:
        try:
            assert process.stdout is not None
            first = (await trio.to_thread.run_sync(process.stdout.readline)).decode()
            with trio.fail_after(PATIENCE):
                yield Running(process, first.split()[0], first)
        finally:
            process.kill()


async def ask(endpoint: str, server: str, request: bytes = b"hello", reply: bytes = b"world") -> None:
    """One request and its reply, from a REQ at one endpoint to a REP at the other."""
    async with zmq.Context() as ctx:
        rep, req = ctx.socket(zmq.REP), ctx.socket(zmq.REQ)
        rep.bind(server)
        req.connect(endpoint)
        await req.send(request)
        assert await rep.recv() == request
        await rep.send(reply)
        assert await req.recv() == reply


def said(conversation: Conversation, side: Side) -> bytes:
    return b"".join(span.octets for span in conversation.spans[side])


@pytest.fixture
def server() -> str:
    """An endpoint without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow
async def test_a_conversation_is_shown_and_all_files_are_written(tmp_path: Path, server: str) -> None:
    files = {name: tmp_path / f"it.{name}" for name in ("json", "html", "pcap")}
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    async with tapping("tcp://127.0.0.1:*", server, *options) as tap:
        await ask(tap.endpoint, server)
        assert await tap.end() == 0

    lines = tap.said.splitlines()
    assert lines[:2] == [
        f"{tap.endpoint} → {server}",
        "Waiting for a client. Ctrl-C ends the tap and writes the files.",
    ]
    assert lines[-3:] == [f"{files[name]}: 1 connection" for name in ("html", "json", "pcap")]
    del lines[-3:]  # a path may be longer than a line
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in tap.said
    assert "68 65 6c 6c 6f           hello     body:" in tap.said
    assert re.search(r"\[1\] .*closed; client \d+ octets, server \d+ octets$", tap.said, re.MULTILINE)

    (conversation,) = from_json(json.loads(files["json"].read_text("utf-8")))
    assert (conversation.protocol, conversation.left_out) == ("zmtp", 0)
    assert said(conversation, Side.CLIENT).endswith(b"\x01\0\0\x05hello")
    packets = read_capture(files["pcap"].read_bytes())
    sources = {Side.CLIENT: packets[0].source, Side.SERVER: packets[0].target}
    for side, source in sources.items():
        assert heard(packets, source) == said(conversation, side)
    page = files["html"].read_text("utf-8")
    assert "68 65 6c 6c 6f" in page
    assert "hello" in page


@pytest.mark.slow
async def test_http_is_recognized_by_the_clients_first_octets(tmp_path: Path) -> None:
    async def answer(request: minihttp.Request) -> minihttp.Response:
        return minihttp.Response(200, content=b"you said " + await request.aread())

    async with (
        http_server(answer) as port,
        tapping("tcp://127.0.0.1:*", f"tcp://127.0.0.1:{port}", "--json", tmp_path / "it.json") as tap,
        minihttp.AsyncClient(base_url=tap.endpoint.replace("tcp", "http")) as client,
    ):
        assert (await client.post("/a", content=b"hello")).content == b"you said hello"
        assert await tap.end() == 0
    assert "request line:" in tap.said
    (conversation,) = from_json(json.loads((tmp_path / "it.json").read_text("utf-8")))
    assert conversation.protocol == "http"
    assert said(conversation, Side.SERVER).endswith(b"you said hello")


@pytest.mark.slow
async def test_a_websocket_is_shown_from_get_to_message(tmp_path: Path, server: str) -> None:
    page, data = tmp_path / "it.html", tmp_path / "it.json"
    server = server.replace("tcp", "ws") + "/zws"
    async with tapping("ws://127.0.0.1:*/zws", server, "--all", "--html", page, "--json", data) as tap:
        await ask(tap.endpoint, server)
        assert await tap.end() == 0
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/zws", tap.endpoint)
    names = ["request line:", "status line:", "opcode: a binary", "┊ command: READY", "┊ flags: a message, the"]
    assert [name for name in [*names, "command: READY", "opcode: a close"] if name not in tap.said] == []
    assert "68 65 6c 6c 6f           hello     ┊ body: what the program sent" in tap.said
    assert "77 6f 72 6c 64           world     body: what the program sent" in tap.said
    (conversation,) = from_json(json.loads(data.read_text("utf-8")))
    assert not [span for side in Side for span in conversation.spans[side] if span.kind in ("wrong", "partial")]
    assert "Without the mask:" in page.read_text("utf-8")


@pytest.mark.slow
async def test_ipc_may_be_relayed_to_tcp(tmp_path: Path, server: str) -> None:
    with_tap = f"ipc://{tmp_path}/tap"
    async with tapping(with_tap, server, "--latency", "1") as tap:
        assert tap.endpoint == with_tap
        await ask(with_tap, server)
        assert await tap.end(signal.SIGTERM) == 0
    assert f"a client → {server}" in tap.said
    assert not (tmp_path / "tap").exists()


@pytest.mark.slow
async def test_quiet_shows_nothing_but_where_it_listens(server: str) -> None:
    async with tapping("tcp://127.0.0.1:*", server, "--quiet") as tap:
        await ask(tap.endpoint, server)
        assert await tap.end() == 0
    waiting = "Waiting for a client. Ctrl-C ends the tap."
    assert tap.said == f"{tap.endpoint} → {server}\n{waiting}\n"


@pytest.mark.slow
async def test_a_stopped_terminal_does_not_stop_the_relay(server: str) -> None:
    body = b"x" * 100_000
    async with tapping("tcp://127.0.0.1:*", server, "--all") as tap, zmq.Context() as ctx:
        push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
        pull.bind(server)
        push.connect(tap.endpoint)
        for _ in range(50):  # shown, it would be 25 MB, and none of it is read
            await push.send(body)
            assert await pull.recv() == body
        assert await tap.end() == 0


@pytest.mark.slow
async def test_all_shows_every_octet(server: str) -> None:
    async with tapping("tcp://127.0.0.1:*", server, "--all") as tap:
        await ask(tap.endpoint, server, bytes(range(256)) * 2)
        assert await tap.end() == 0
    assert "f8 f9 fa fb fc fd fe ff" in tap.said
    assert "octets more" not in tap.said


@pytest.mark.slow
async def test_curves_boxes_are_opened_with_the_keys(server: str) -> None:
    pytest.importorskip("nacl")
    public, secret = zmq.curve_keypair()
    async with tapping("tcp://127.0.0.1:*", server, "--curve", f"server_secret={secret.decode()}") as tap:
        async with zmq.Context() as ctx:
            rep = ctx.socket(zmq.REP, curve_server=1, curve_secretkey=secret)
            ours = zmq.curve_keypair()
            keys = {"curve_publickey": ours[0], "curve_secretkey": ours[1], "curve_serverkey": public}
            req = ctx.socket(zmq.REQ, **keys)
            rep.bind(server)
            req.connect(tap.endpoint)
            await req.send(b"hello")
            assert await rep.recv() == b"hello"
        assert await tap.end() == 0
    assert "┊ " in tap.said


# ------------------------------------------------------------------------------------------------------ what is refused

REFUSED = {
    "no endpoint": (["here", "tcp://127.0.0.1:5555"], "expected tcp://HOST:PORT, ipc://PATH, inproc://NAME or ws"),
    "nowhere to go": (["tcp://127.0.0.1:*", "tcp://*:5555"], "connect needs a host to go to"),
    "inproc": (["inproc://a", "tcp://127.0.0.1:5555"], "inproc has no octets to tap"),
    "wss": (["tcp://127.0.0.1:*", "wss://localhost:5555/"], "the octets of wss are encrypted"),
    "a long path": (["tcp://127.0.0.1:*", "ipc:///" + "x" * 200], "expected a path of at most"),
    "no such key": (["tcp://127.0.0.1:*", "ipc://a", "--curve", "secret=x"], "--curve: expected NAME=KEY"),
    "no key": (
        ["tcp://127.0.0.1:*", "ipc://a", "--curve", "server_secret=short"],
        "--curve server_secret: key of 4 octets: expected 32 octets, or 40 characters of Z85",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_with_a_sentence(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, sentence = REFUSED[case]
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    assert refusal.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_html_without_jinja2_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minizmtp.tap.__main__.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["tcp://127.0.0.1:*", "ipc://a", "--html", "it.html"])
    assert "pip install 'minizmtp[html]'" in capsys.readouterr().err


def test_an_address_in_use_and_a_file_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a socket")
    assert main([f"ipc://{tmp_path}/file", "ipc://a"]) == 2
    assert "EADDRINUSE" in capsys.readouterr().err
    assert main(["tcp://127.0.0.1:*", "ipc://a", "--pcap", f"{tmp_path}/no/such/folder"]) == 2
    assert "No such file or directory" in capsys.readouterr().err


ITSELF = [
    ("tcp://127.0.0.1:{port}", "tcp://127.0.0.1:{port}"),
    ("tcp://127.0.0.1:{port}", "tcp://localhost:{port}"),
    ("tcp://127.0.0.1:{port}", "tcp://0.0.0.0:{port}"),
    ("tcp://*:{port}", "tcp://127.0.0.1:{port}"),
    ("tcp://*:{port}", "tcp://127.0.0.9:{port}"),
    ("tcp://*:{port}", "tcp://0.0.0.0:{port}"),
    ("ws://*:{port}/a", "ws://localhost:{port}/b"),
    ("ipc://{folder}/a", "ipc://{folder}/b/../a"),
    ("ipc://@minizmtp-{port}", "ipc://@minizmtp-{port}"),
]


@pytest.mark.parametrize(("listen", "connect"), ITSELF)
def test_an_endpoint_that_leads_to_itself_is_refused(
    listen: str, connect: str, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    names = {"port": server.rpartition(":")[2], "folder": tmp_path}
    there = connect.format(**names)
    with pytest.raises(SystemExit):
        main([listen.format(**names), there])
    assert f"error: {there} leads back to the tap itself" in capsys.readouterr().err


def test_another_address_or_port_does_not_lead_back() -> None:
    here = Tcp("127.0.0.1", 5555)
    for there in (Tcp("127.0.0.1", 5556), Tcp("127.0.0.2", 5555), Ipc("127.0.0.1"), Tcp("no name.", 5555)):
        assert not leads_back(here, there)
    assert not leads_back(Tcp("0.0.0.0", 5555), Tcp("192.0.2.1", 5555))  # an address that no machine has


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("option", ["--json", "--html", "--pcap"])
async def test_a_full_disk_ends_with_exit_code_1(server: str, option: str) -> None:
    async with tapping("tcp://127.0.0.1:*", server, option, "/dev/full") as tap:
        await ask(tap.endpoint, server)
        assert await tap.end() == 1


# -------------------------------------------------------------------------------------------------------------- colours


def on_terminal(server: str, **environment: str) -> str:
    """What a terminal is sent."""
    terminal, stdout = os.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [*TAP, "ipc://*", server]
    process = subprocess.Popen(
        command, stdout=stdout, stdin=stdout, cwd=ROOT, env=clean | {"TERM": "xterm-256color"} | environment
    )
    os.close(stdout)
    sent = b""
    try:
        while b"\n" not in sent:
            sent += os.read(terminal, 65536)
        trio.run(knock, sent.decode().split()[0])
        while b"refused" not in sent:
            sent += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return sent.decode()


async def knock(endpoint: str) -> None:
    async with await trio.open_unix_socket(endpoint.removeprefix("ipc://")) as stream:
        await stream.receive_some(1)


@pytest.mark.slow
def test_a_terminal_gets_colours_and_no_color_means_none(server: str) -> None:
    assert "\x1b[1m[1]" in on_terminal(server)
    assert "\x1b" not in on_terminal(server, NO_COLOR="1")
