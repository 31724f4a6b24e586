"""The benchmarks can be run: each row once, with little work.  The roles check that all messages arrive."""

from collections.abc import Iterator

import pytest
import trio

from benchmarks import looking, report, soak, strangers, tap, ws
from benchmarks.messages import ROWS, Bench, Figures, Row, chosen
from benchmarks.rivals import RIVALS, installed


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench(installed(), rounds=1, seconds=0, tiny=True)
    yield bench
    bench.close()


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_rival_does_the_work_of_every_row(bench: Bench, row: Row) -> None:
    if row.missing:
        pytest.skip(row.missing)
    for figures in bench.measure(row):
        assert set(figures.costs) == set(row.rivals) & set(installed())
        for costs in figures.costs.values():
            assert len(costs) == 1
            assert costs[0] is not None


def test_rows_are_chosen_by_the_beginning_of_their_names() -> None:
    assert [row.name for row in chosen(["pub"])] == ["pub-1", "pub-10", "pub-100"]
    assert [row.name for row in chosen(["pub-10"])] == ["pub-10"]
    assert chosen([]) == ROWS
    assert len({row.name for row in ROWS}) == len(ROWS)


FIGURES = Figures(
    "push", "PUSH→PULL", "/s", 64, {"pyzmq": 1.0}, {"mini": [2e-6, 1e-6, 1e-6], "pyzmq": [1e-6, 1e-6, None]}
)


def test_a_ratio_is_of_one_round_and_above_1_where_we_lead() -> None:
    assert FIGURES.ratio("pyzmq") == (0.75, 0.5, 1.0)
    assert FIGURES.ratio("raw") is None
    assert report.ratio(FIGURES, "pyzmq") == "0.75 (0.50–1.00)"
    assert "1,000 k/s" in report.line(FIGURES, RIVALS)


def test_the_table_for_the_readme_stands_between_its_markers() -> None:
    about = {"date": "2000-01-01", "versions": "Python 3", "machine": "any", "rounds": "3 rounds"}
    lines = report.markdown(about, [FIGURES]).splitlines()
    assert lines[0] == report.BEGIN
    assert lines[-2:] == ["| PUSH→PULL | 1,000 k/s | 0.75 (0.50–1.00) |", report.END]


@pytest.mark.slow
def test_every_relay_carries_floods_and_round_trips(capsys: pytest.CaptureFixture[str]) -> None:
    tap.table([row for row in tap.ROWS if row.name in ("push-64", "roundtrip")], rounds=1, divide=1000)
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == list(tap.CONTENDERS)
    assert [line.count("×") for line in lines] == [len(tap.CONTENDERS)] * 2


@pytest.mark.slow
def test_each_way_over_a_websocket_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    ws.table(ws.ROWS[:2], rounds=1, divide=1000)
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[1:] == ws.contenders()
    assert all(line.count("(") == len(ws.contenders()) for line in lines[:2])


def test_kinds_of_strangers_have_names_of_their_own() -> None:
    assert len({kind.name for kind in strangers.KINDS}) == len(strangers.KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ping-sealed", "subscribe-lengths", "http-chunks-client"])
def test_a_stranger_attacks_and_an_honest_client_is_served(name: str) -> None:
    (kind,) = [kind for kind in strangers.KINDS if kind.name == name]
    longest, alone, attacked = trio.run(strangers.measure, kind, 0.2)
    assert longest > 0
    assert alone > 0
    assert attacked > 0


@pytest.mark.slow
def test_round_trips_are_measured_with_looking_and_without(capsys: pytest.CaptureFixture[str]) -> None:
    looking.table(looking.CASES[:1], rounds=1, scale=0.01)
    _, one, _, _, without, with_looking = capsys.readouterr().out.splitlines()
    assert one.startswith("1 connection ")
    assert without.startswith("spin_time 0 ")
    assert with_looking.startswith("spin_time 150 ")


@pytest.mark.slow
async def test_a_short_soak_passes_everything_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "EVERY", 1.5)
    (row,), wrong = await soak.soak(1, seed=1)
    assert wrong == []
    assert all(row[name] > 0 for name in soak.COLUMNS)


def test_the_verdict_of_a_soak_names_what_is_wrong() -> None:
    row = dict.fromkeys((*soak.COLUMNS, "memory", "files", "tasks"), 30.0) | {"lost": 0.0, "twice": 0.0}
    assert soak.verdict([row] * 9) == []
    assert soak.verdict([row] * 6 + [row | {"memory": 33.0, "twice": 1.0, "pull": 0.0}] * 3) == [
        "1 messages came twice, expected 0",
        "memory grew from 30.0 to 33.0 MiB",
        "pull stood still at the end",
    ]
