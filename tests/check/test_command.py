"""The command line of the check: what it prints, what it writes, and its exit code."""

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trio
import trustme

import minizmtp as zmq
from minizmtp.check.__main__ import WRITERS, main
from minizmtp.check.case import ALL, Level, Verdict
from minizmtp.check.peer import CLOSED, Terms
from minizmtp.check.report import Section, from_json, lines_of, to_json
from minizmtp.check.run import Result, Run
from tests.check.model import Model
from tests.markup import read

OURS = f"{sys.executable} -m minizmtp.check.driver"
ONE_SOCKET = ["--driver", OURS, "--type", "PULL", "--role", "binds", "--mechanism", "NULL"]


def test_the_list_has_a_line_for_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    cases = [line.split()[:2] for line in lines if line.startswith(" ")]
    assert sorted(cases) == sorted([case.number, case.name()] for case in ALL)
    assert "framing: 9" in lines


def test_cases_are_chosen_by_group_number_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "37-79", "long-ttl"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]] == ["pong-unasked", "long-ttl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected one of ENDPOINT"),
        (["tcp://127.0.0.1:1", "--listen", "tcp://127.0.0.1:2"], "expected one of ENDPOINT"),
        (["tcp://127.0.0.1:1", "37-999"], "there is no case, number or group 37-999"),
        (["localhost:5555"], "an endpoint is written tcp://HOST:PORT"),
        (["--driver", "true", "--type", "PUSH,STRANGE"], "STRANGE is not known; there are PAIR, PUB, SUB"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_nothing_to_check_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    assert main([endpoint]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"check: {endpoint}: ")
    assert "Error connecting to" in told  # the cause, and not only that all attempts failed
    assert "Start the socket first" in told


def test_a_transport_that_is_not_checked_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["inproc://here"]), main(["--listen", "inproc://here"]), main(["--listen", "wss://*:0"])) == (2, 2, 2)
    told = capsys.readouterr().err
    assert told.count("expected tcp, ipc or ws") == 2
    assert "the check has no certificate to listen with; expected ws, tcp or ipc" in told


def test_a_server_that_is_silent_is_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert main([endpoint, "--patience", "0.1"]) == 2
    assert f"Is {endpoint} a ZMTP socket, and the right port?" in capsys.readouterr().err


def test_a_check_that_does_not_start_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inproc://here", "--json", str(tmp_path / "it.json")]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "words"), [("", "is a folder, expected a file"), ("none/it.json", "there is no folder")]
)
def test_a_file_that_cannot_be_written_is_told_at_once(
    path: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tcp://127.0.0.1:1", "--json", str(tmp_path / path)]) == 2
    assert words in capsys.readouterr().err


def test_results_are_written_though_one_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, disk = tmp_path / "old.json", tmp_path / "it.json"
    old.write_text(json.dumps(to_json([])), "utf-8")

    def is_full(sections: object) -> str:
        raise OSError("No space left on device")

    monkeypatch.setitem(WRITERS, "json", is_full)
    assert main([str(old), "--json", str(disk), "--junit", str(tmp_path / "it.xml")]) == 2
    assert capsys.readouterr().err == "check: the results were not written: No space left on device\n"
    assert (tmp_path / "it.xml").read_text("utf-8").startswith("<?xml")


def test_a_list_that_is_cut_off_ends_without_a_word() -> None:
    command = [sys.executable, "-u", "-m", "minizmtp.check", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as check:
        assert check.stdout is not None
        assert check.stderr is not None
        check.stdout.close()
        assert check.stderr.read() == b""


def test_a_right_socket_ends_with_0_and_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: tmp_path / f"it.{name}" for name in ("json", "junit", "html")}
    outputs = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main([*ONE_SOCKET, "framing", *outputs]) == 0
    assert "minizmtp 0.1.0: PULL that binds, NULL: 9 passed\n" in capsys.readouterr().out
    [section] = from_json(json.loads(files["json"].read_text("utf-8")))
    assert {result.verdict for result in section.results} == {Verdict.PASSED}
    suite = ElementTree.fromstring(files["junit"].read_text("utf-8"))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("9", "0", "0")
    page = read(files["html"].read_text("utf-8"))
    assert sum(1 for _ in page.all("tr")) == 10


def test_a_socket_that_connects_is_checked_by_listening(tmp_path: Path) -> None:
    """The socket is told the endpoint when the check has said where it waits."""
    path = tmp_path / "it.sock"
    command = [sys.executable, "-m", "minizmtp.check", "--listen", f"ipc://{path}", "greeting", "dialling", "--all"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as check:
        assert check.stdout is not None
        assert check.stdout.readline() == f"waiting at ipc://{path} for the socket to check\n"
        asked = f"socket PUSH\nconnect 1 ipc://{path}\n"
        with subprocess.Popen(OURS.split(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as driver:
            assert driver.stdin is not None
            driver.stdin.write(asked)
            driver.stdin.flush()
            printed = check.stdout.read()
            driver.stdin.close()
    assert check.returncode == 0, printed
    assert "comes-back-after-a-close" in printed
    assert f"ipc://{path}: PUSH that connects, NULL: " in printed


def test_a_bound_socket_of_ours_is_checked_over_wss() -> None:
    """The socket has a certificate that the check does not know."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def check() -> str:
        async with zmq.Context() as ctx:
            pull = ctx.socket(zmq.PULL, linger=0, ssl_context=context)
            pull.bind("wss://127.0.0.1:*/jobs")
            words = [pull.last_endpoint, "--patience", "20", "upgrade-is-answered", "ready-is-answered", "text-frame"]
            command = [sys.executable, "-m", "minizmtp.check", *words]
            return (await trio.run_process(command, capture_stdout=True, check=False)).stdout.decode()

    assert "PULL that binds over ws, NULL: 3 passed" in trio.run(check)


def test_what_is_in_a_box_is_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys of one connection are kept with its octets, so that a report that is read again shows the same."""
    path = tmp_path / "it.json"
    arguments = [*ONE_SOCKET[:-1], "CURVE", "initiate-is-answered", "--json", str(path)]
    assert main([*arguments, "--all"]) == 0
    printed = capsys.readouterr().out
    assert "    ←    50 55 4c 4c                                   value: PULL\n" in printed
    [section] = from_json(json.loads(path.read_text("utf-8")))
    assert "\n".join(lines_of(section.results[0], True)) in printed


def broken() -> Result:
    """The result of a PULL that overlooks reserved bits."""

    async def run() -> list[Result]:
        return await Run(
            Model(Terms("PULL"), "command-with-more"), [case for case in ALL if case.number == "37-22"]
        ).run()

    [result] = trio.run(run)
    result.verdict, result.expected = Verdict.FAILED, CLOSED
    result.came = "it went on, and a PING was answered"
    return result


def test_a_failure_shows_every_octet_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = broken()
    lines = list(lines_of(result, False))
    assert lines[1:5] == [
        "    sent:     05 05 04 50 4f 4e 47",
        "    expected: the connection to be closed",
        "    came:     it went on, and a PING was answered",
        "    to do:    close the connection after this",
    ]
    assert any("05" in line and "flags: frame flags are 05: a command is one frame" in line for line in lines)
    path, page = tmp_path / "it.json", tmp_path / "it.html"
    path.write_text(json.dumps(to_json([Section("it", "PULL", "NULL", 1, False, [result])])), "utf-8")
    assert main([str(path), str(path), "--html", str(page)]) == 1
    assert capsys.readouterr().out.count("it: PULL that binds, NULL: 0 passed, 1 failed (MUST)") == 2
    table = next(read(page.read_text("utf-8")).all("table"))
    assert [cell.text for cell in table.all("td")] == ["37-22", "MUST", "✗", "✗"]


def test_a_should_fails_only_a_strict_check(tmp_path: Path) -> None:
    result = broken()
    result.level = Level.SHOULD
    path = tmp_path / "it.json"
    path.write_text(json.dumps(to_json([Section("it", "PULL", "NULL", 1, False, [result])])), "utf-8")
    assert (main([str(path)]), main([str(path), "--strict"])) == (0, 1)


ENDS = """
import os, socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))

def serve():
    while True:
        peer, _ = listener.accept()
        if b"\\x7f\\x03\\x09" in peer.recv(64):
            os._exit(3)
        peer.sendall(b"\\xff" + bytes(8) + b"\\x7f\\x03\\x01NULL" + bytes(48))
        peer.close()

for line in sys.stdin:
    word = line.split()[0]
    if word == "bind":
        threading.Thread(target=serve, daemon=True).start()
    answers = {"name": "fragile 1", "socket": "1", "bind": f"tcp://127.0.0.1:{listener.getsockname()[1]}"}
    print("ok", answers.get(word, ""), flush=True)
"""


HANGS = """
import sys, time

for line in sys.stdin:
    if line.split()[0] == "bind":
        time.sleep(60)
    print("ok 1", flush=True)
"""


@pytest.mark.parametrize("drivers", [["no-such-program"], ["no-such-program", OURS]], ids=["alone", "in-a-pair"])
def test_a_driver_that_is_not_there_is_told(drivers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word for driver in drivers for word in ("--driver", driver)]) == 2
    assert capsys.readouterr().err == "check: no-such-program: No such file or directory\n"


def test_a_driver_that_hangs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(HANGS)
    assert main(["--driver", f"{sys.executable} {driver}", *ONE_SOCKET[2:], "37-10"]) == 2
    assert "the driver did not make a first PULL: " in capsys.readouterr().err


def test_a_process_that_ends_is_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The driver's process ends at a greeting of version 3.9, and the check goes on with a new one."""
    driver = tmp_path / "driver.py"
    driver.write_text(ENDS)
    arguments = ["--driver", f"{sys.executable} {driver}", *ONE_SOCKET[2:], "37-5", "37-6", "37-12"]
    assert main([*arguments, "--json", str(tmp_path / "it.json")]) == 1
    [section] = from_json(json.loads((tmp_path / "it.json").read_text("utf-8")))
    verdicts = {result.name: result.verdict for result in section.results}
    assert verdicts == {
        "newer-major-version": Verdict.FAILED,
        "newer-minor-version": Verdict.ENDED,
        "short-commands-are-short": Verdict.FAILED,
    }
    assert "its process ended with status 3" in capsys.readouterr().out
