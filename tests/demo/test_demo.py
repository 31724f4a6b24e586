"""The demo, run as a person runs it; and what happens to its exit code when something that it says is not so."""

import io
import os
import re
import signal
import subprocess
from functools import partial

import pytest
import trio

from minizmtp.demo.__main__ import main, perform
from minizmtp.demo.answer import ROWS, Row, run_answer
from minizmtp.demo.stage import Stage
from minizmtp.demo.terminal import WIDTH
from minizmtp.demo.tour import PARTS, PATIENCE, Part, run_tour
from tests.demo.program import DEMO, ROOT, run, run_here

NAMES = [part.name for part in PARTS]
ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def whole(toured) -> subprocess.CompletedProcess[str]:
    return toured.result


# ------------------------------------------------------------------------------------------------------ the whole tour


def test_the_whole_tour_comes_true_and_says_how_long_it_took(whole):
    assert (whole.returncode, whole.stderr) == (0, ""), whole.stdout
    assert [name for name in NAMES if f"── {name} ─" in whole.stdout] == NAMES
    assert re.search(r"^All \d+ claims came true\.$", whole.stdout, re.MULTILINE)
    assert re.search(r"^It took \d+\.\d s\.$", whole.stdout, re.MULTILINE)


def test_the_whole_tour_ends_with_the_answer(whole):
    answer = whole.stdout.partition("── the answer ─")[2]
    assert 'response = await client.post("/", content=b"hello")' in answer
    assert 'await req.send(b"hello")' in answer
    for row in ROWS:
        if row.check is None:
            assert re.search(rf"^    {row.aspect} +{row.http}$", answer, re.MULTILINE)
        else:
            assert re.search(rf"^  ✓ {row.aspect} +{row.http} +{row.zeromq} +{row.see}$", answer, re.MULTILINE)
            assert row.see in NAMES


def test_its_last_line_names_a_file_that_is_there(whole):
    last = whole.stdout.splitlines()[-1]
    assert last.startswith("Read next: ")
    for file in (last.removeprefix("Read next: "), *(part.read_next for part in PARTS)):
        assert (ROOT / file).is_file()


def test_plain_output_is_80_columns_wide_and_has_no_escapes(whole):
    lines = whole.stdout.splitlines()
    assert not [line for line in lines if len(line) > WIDTH or ESCAPE in line or line != line.rstrip()]


def test_every_octet_that_is_shown_is_one_that_is_counted(whole):
    # The dumps as a reader sees them: as many octets as the line above each promises. The second greeting is not shown
    # again.
    promised, shown, repeated = [], [], []
    dumps = whole.stdout.partition("── waiting ─")[0] + whole.stdout.partition("── meet ─")[2]
    for line in dumps.splitlines():
        if found := re.search(r"(?:client|server) → (?:client|server), (\d+) octets$", line):
            promised.append(int(found[1]))
            shown.append(0)
        elif line.strip() in ("the same octets as from the client", "the same octets as from the server"):
            shown[-1] = promised[-1]
            repeated.append(promised[-1])
        elif found := re.match(r" *\d+  ((?:[0-9a-f]{2} ?){1,8})(?:  |$)", line):
            shown[-1] += len(bytes.fromhex(found[1]))
    assert promised == shown
    assert repeated == [64]
    # HTTP; greeting, READY and message of both sides of ZMTP; the second messages; and over the WebSocket GET, 101 and
    # READY, then READY and the request, which may leave in one write, and the reply.
    assert len(promised) in (2 + 6 + 2 + 4, 2 + 6 + 2 + 5)


# ---------------------------------------------------------------------------------------------------- the command line


def test_list_names_the_parts(capsys):
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES


def test_help_names_them_too(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)


@pytest.fixture(scope="module")
def part() -> subprocess.CompletedProcess[str]:
    """One part, into a pipe, although the environment asks for colours."""
    return run(*DEMO, "many", FORCE_COLOR="1", CLICOLOR_FORCE="1")


def test_parts_are_chosen_by_name(part):
    assert (part.returncode, part.stderr) == (0, "")
    assert [name for name in [*NAMES, "the answer"] if f"── {name} ─" in part.stdout] == ["many"]
    assert part.stdout.endswith("Read next: minizmtp/sockets/poller.py\n")


def test_an_unknown_part_is_an_error_that_names_the_known(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bytes", "btyes"])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert "there is no part btyes; there are bytes, waiting," in " ".join(printed.err.split())


def test_an_ascii_terminal_gets_question_marks_and_no_traceback():
    result = run(*DEMO, "many", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "?" in result.stdout


# ------------------------------------------------------------------------------------------------------- colour, or not


def run_on_terminal(*parts: str, **environment: str) -> str:
    """What a terminal of 80 columns is sent."""
    terminal, stdout = os.openpty()
    environment = {"TERM": "xterm-256color", "COLUMNS": "80"} | environment
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen([*DEMO, *parts], stdout=stdout, stdin=stdout, cwd=ROOT, env=clean | environment)
    os.close(stdout)
    sent = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        sent += piece
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    return sent.decode()


def test_a_terminal_gets_colours_and_the_same_width():
    text = run_on_terminal("many")
    assert ESCAPE in text
    # Progress comes and goes (a cursor that is hidden, a line that is erased), and the rest is colours.
    visible = re.sub(r"\x1b\[([0-9;]*m|\?25[lh]|1A)|\r", "", text)
    lines = re.split(r"\n|\x1b\[2K", visible)
    assert not [line for line in lines if len(line) > WIDTH or ESCAPE in line]


def test_a_bar_shows_how_far_the_answer_is_checked():
    shown, _, answer = run_on_terminal().partition("How is an asynchronous")
    assert re.search(rf"[1-{len(ROWS)}]/{len(ROWS)}", shown)
    assert f"/{len(ROWS)}" not in answer


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_color_means_none_on_a_terminal(environment):
    assert ESCAPE not in run_on_terminal("many", **environment)


def test_a_pipe_gets_none_even_where_others_force_them(part):
    assert ESCAPE not in part.stdout


# ---------------------------------------------------------------------------------------------------- with and without


def test_without_pyzmq_there_is_a_plain_sentence_and_a_recording():
    result = run_here("sys.modules['zmq'] = None", "libzmq")
    assert (result.returncode, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    assert "pyzmq is not installed, so there is no libzmq to talk to" in text
    assert "✓ our REQ and REP send the same octets now" in text


def test_ctrl_c_ends_quietly():
    process = subprocess.Popen(
        [*DEMO, "--all"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ,
        # A shell lets its background jobs ignore SIGINT, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    while "── waiting" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, "")


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen([*DEMO, "bytes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=10) == 0


# ----------------------------------------------------------------------------------------------------- what if it lies?


def test_a_publisher_that_does_not_filter_is_found_out():
    # The readers would not notice: they filter once more. Only the claim about the wire does.
    everybody = "lambda self, message: pubsub.send_to_each(self.pipes, pubsub.as_item(message)) or True"
    result = run_here(f"from minizmtp.patterns import pubsub; pubsub.Pub.try_send = {everybody}", "pubsub")
    assert result.returncode == 1
    assert "✗ NOT TRUE: the publisher filters" in result.stdout
    assert re.search(r"^\d of \d+ claims did not come true:$", result.stdout, re.MULTILINE)


def test_a_greeting_with_other_octets_is_found_out():
    pytest.importorskip("zmq")
    result = run_here(
        "from minizmtp.wire import connection as c; old = c.encode_greeting;"
        " c.encode_greeting = lambda *a: old(*a)[:33] + b'surprise' + old(*a)[41:]",
        "libzmq",
    )
    assert result.returncode == 1
    assert "✗ NOT TRUE: libzmq's REQ and REP sent the same octets as ours" in result.stdout


def parts_of(function) -> list[Part]:
    return [Part("one", "One?", "one.py", function), Part("two", "Two?", "two.py", claims_the_truth)]


async def claims_the_truth(stage: Stage) -> None:
    stage.claim("one is one", 1 == 1)


async def claims_what_is_false(stage: Stage) -> None:
    stage.claim("one is two", 1 == 2)


async def hangs(stage: Stage) -> None:
    await trio.sleep_forever()


async def fails(stage: Stage) -> None:
    async with trio.open_nursery():
        raise ConnectionRefusedError("nobody there")


def run_parts(parts: list[Part], stage: Stage) -> int:
    return perform(partial(run_tour, parts, stage), stage)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (claims_what_is_false, "one is two"),
        (fails, "part one runs to its end (it stopped at ConnectionRefusedError: nobody there)"),
    ],
)
def test_what_is_not_true_is_named_and_the_exit_code_is_1(function, words):
    file = io.StringIO()
    assert run_parts(parts_of(function), Stage(file)) == 1
    text = " ".join(file.getvalue().split())
    assert f"✗ NOT TRUE: {words}" in text
    assert f"1 of 2 claims did not come true: ✗ {words} It took" in text
    assert "✓ one is one" in text  # the next part has its turn


def test_what_is_true_gives_0():
    assert run_parts(parts_of(claims_the_truth), Stage(io.StringIO())) == 0


async def test_a_part_that_hangs_is_not_waited_for(autojump_clock):
    stage = Stage(io.StringIO())
    assert not await run_tour(parts_of(hangs), stage)
    assert stage.broken == [f"part one is done within {PATIENCE:.0f} s"]


def test_the_octets_in_the_readme_are_those_of_the_demo(whole):
    row = re.search(
        r"octets of a second `hello` and its reply \| (\d+) \| (\d+) \|", ROOT.joinpath("README.md").read_text()
    )
    printed = re.search(r"octets of a second request and reply +(\d+) +(\d+)", whole.stdout)
    assert printed.groups() == row.groups()


# ---------------------------------------------------------------------------------------------------- the answer


@pytest.fixture(scope="module")
def answer() -> subprocess.CompletedProcess[str]:
    return run(*DEMO)


def test_the_answer_fits_on_one_screen(answer):
    """80 columns and 24 lines, one of which the shell's prompt needs."""
    lines = answer.stdout.splitlines()
    assert (answer.returncode, answer.stderr) == (0, "")
    assert len(lines) <= 23
    assert max(map(len, lines)) <= WIDTH


def test_each_row_of_the_answer_was_checked(answer):
    assert answer.stdout.count(" ✓\n") == sum(row.check is not None for row in ROWS)
    assert [row.aspect for row in ROWS if row.check is None] == ["HTTP/2, HTTP/3"]
    for name in NAMES:
        assert re.search(rf"\b{name}\b", answer.stdout.partition("Parts to run")[2])


@pytest.mark.parametrize("fails", ["is false", "raises"])
async def test_a_row_that_does_not_come_true_is_named(fails):
    async def check():
        assert fails == "is false"
        return False

    file = io.StringIO()
    stage = Stage(file)
    assert not await run_answer(stage, [], (Row("one", "is this", "is that", check),))
    assert stage.broken == ["one: is this; is that"]
    assert " ✗\n" in file.getvalue()
