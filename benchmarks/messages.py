"""How fast is minizmtp?  It is compared in one run with three Python bindings of libzmq, and with the floor.

    python -m benchmarks.messages                    # all; about ten minutes
    python -m benchmarks.messages --quick            # all, but less exact; under two minutes
    python -m benchmarks.messages push pub-10        # the rows with names that begin like this
    python -m benchmarks.messages --list

The two ends of a run are separate processes connected over tcp, unless a row says otherwise.  Rivals take turns: each
of them does the same work once per round, so other load on the machine affects all of them.  A ratio compares two runs
of the same round, and is above 1 if minizmtp is ahead; the output has the median over the rounds and, in brackets, the
least and the greatest ratio.  The number of messages per run is calibrated for each rival, so that all runs take about
the same time.  No measured time makes this program fail.

`roles` has the work, `rivals` the libraries, `crew` the processes, and `report` the output.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from minizmtp.options import Options

from . import report
from .crew import Crew, Stalled, most_files
from .ends import Work
from .rivals import RIVALS, installed

QUICK, THOROUGH = (3, 0.06), (7, 0.5)  # rounds, and seconds per run (approximately)
KIB, MIB = 1024, 1024 * 1024
TINY = {"count": 20, "size": 4 * KIB, "peers": 12, "topics": 50}  # at most, for the tests


@dataclass(frozen=True)
class Row:
    """One or more lines of the table: the roles of the two ends, and their work.

    work.count: messages in each rival's first run, which isn't counted; `most`: the maximum in a later run.
    units: the unit of each figure that a run returns. targets: the ratio to reach, by rival, for each figure.
    others: the rival that plays each role, if not the measured one. fresh: needs new processes.
    """

    name: str
    words: str
    roles: tuple[str, str]
    work: Work
    units: tuple[str, ...] = ("/s",)
    targets: tuple[dict[str, float], ...] = ({},)
    rivals: tuple[str, ...] = tuple(RIVALS)
    others: tuple[str, str] = ("", "")
    most: int = 1_000_000
    fresh: bool = False
    missing: str = ""  # the reason if it can't be run here


def one_way(name: str, words: str, work: Work, **more: Any) -> Row:
    return Row(name, words, ("pull", "push"), work, **more)


def round_trip(name: str, words: str, work: Work, **more: Any) -> Row:
    return Row(name, words, ("reply", "request"), work, units=("µs",), **more)


def fan_out(subscribers: int, target: float) -> Row:
    return Row(
        f"pub-{subscribers}",
        f"PUB→SUB 64 B, {subscribers} subscriber{'s' * (subscribers > 1)}: deliveries",
        ("publish", "subscribers"),
        Work(max(200, 2000 // subscribers), peers=subscribers),
        targets=({"pyzmq": target, "zmq.asyncio": 12},),
        most=1_000_000 // subscribers,
    )


def routed(clients: int, target: float) -> Row:
    return Row(
        f"dealer-{clients}",
        f"DEALER⇄ROUTER 64 B, window 100, {clients} client{'s' * (clients > 1)}: round trips",
        ("route", "dealers"),
        Work(max(2000, 100 * clients), peers=clients),
        targets=({"pyzmq": target},),
    )


def many(row: Row, target: float) -> Row:
    """The same row with batches: our ends send and receive many messages with one call, the rivals' one by one."""
    return replace(
        row,
        name=f"many-{row.name}",
        words=f"{row.words}; many with one call",
        roles=(f"{row.roles[0]}_many", f"{row.roles[1]}_many"),
        targets=({"pyzmq": target},),
        rivals=tuple(name for name in row.rivals if name != "raw"),
    )


def held(subscriptions: int, words: str) -> Row:
    return Row(
        f"held-{words}",
        f"PUB→SUB 64 B, {words} subscription{'s' * (subscriptions > 1)} held",
        ("publish", "subscribers"),
        Work(2000, topics=subscriptions),
        targets=({"pyzmq": 0.8},),
    )


def idle(connections: int) -> Row:
    room = connections + 200
    return Row(
        f"idle-{connections}",
        f"{connections:,} idle connections on a ROUTER, each",
        ("hold", "crowd"),
        Work(1, peers=connections),
        units=("KiB", "µs of CPU"),
        targets=({"mini": 6}, {"mini": 100e-6}),
        rivals=("mini", "pyzmq", "raw"),
        others=("", "plain"),
        fresh=True,
        missing="" if most_files() >= room else f"needs {room} open files; the limit is {most_files()}",
    )


def connect(name: str, words: str, target: float, **more: Any) -> Row:
    return Row(
        name,
        f"{words}connect to libzmq's REP, one round trip, close",
        ("reply_to_all", "request_each_anew"),
        units=("µs",),
        targets=({"pyzmq": target},),
        rivals=tuple(name for name in RIVALS if name != "raw"),
        others=("pyzmq", ""),
        most=500,  # because each connection uses up a local port
        **more,
    )


def curve() -> list[Row]:
    """Rows with libzmq at the other end for every rival."""
    keys: Any = None
    missing = "minizmtp has no CURVE here"
    if hasattr(Options, "curve_serverkey"):
        import zmq

        missing = "" if zmq.has("curve") else "libzmq has no CURVE here"
        keys = None if missing else (*zmq.curve_keypair(), *zmq.curve_keypair())
    more: dict[str, Any] = {"rivals": tuple(name for name in RIVALS if name != "raw"), "missing": missing}
    out, into = {**more, "others": ("pyzmq", "")}, {**more, "others": ("", "pyzmq")}
    small, large = Work(500, curve=keys), Work(50, size=64 * KIB, curve=keys)
    slow, fast = ({"pyzmq": 0.4},), ({"pyzmq": 1.0},)
    return [
        one_way("curve-push-64", "CURVE, PUSH→ libzmq's PULL, 64 B", small, targets=slow, **out),
        one_way("curve-push-64k", "CURVE, PUSH→ libzmq's PULL, 64 KiB", large, units=("MB/s",), targets=fast, **out),
        one_way("curve-pull-64", "CURVE, libzmq's PUSH →PULL, 64 B", small, targets=slow, **into),
        one_way("curve-pull-64k", "CURVE, libzmq's PUSH →PULL, 64 KiB", large, units=("MB/s",), targets=fast, **into),
        connect("curve-connect", "CURVE, ", 0.9, work=Work(10, curve=keys), missing=missing),
    ]


def large(name: str, words: str, size: int, first: int, target: float) -> Row:
    return one_way(
        f"push-{name}",
        f"PUSH→PULL {words}",
        Work(first, size=size),
        units=("MB/s",),
        targets=({"pyzmq": target},),
        most=max(2, 4_000 * MIB // size) if size < 100 * MIB else 6,
    )


ROWS = [
    round_trip(
        "req-rep", "REQ/REP 64 B round trip", Work(200), targets=({"raw": 1.0, "zmq.asyncio": 2, "pyzmq": 0.9},)
    ),
    round_trip("ipc-req-rep", "REQ/REP 64 B round trip, ipc", Work(200, transport="ipc"), targets=({"pyzmq": 1.0},)),
    round_trip(
        "inproc-req-rep", "REQ/REP 64 B round trip, inproc", Work(200, transport="inproc"), targets=({"pyzmq": 1.0},)
    ),
    one_way("push-64", "PUSH→PULL 64 B", Work(2000), targets=({"pyzmq": 1.0, "zmq.asyncio": 15},)),
    one_way("ipc-push-64", "PUSH→PULL 64 B, ipc", Work(2000, transport="ipc"), targets=({"pyzmq": 0.7},)),
    one_way("inproc-push-64", "PUSH→PULL 64 B, inproc", Work(2000, transport="inproc"), targets=({"pyzmq": 1.0},)),
    one_way("push-1k", "PUSH→PULL 1 KiB", Work(2000, size=KIB), targets=({"pyzmq": 0.8},)),
    large("64k", "64 KiB", 64 * KIB, 200, 1.0),
    large("1m", "1 MiB", MIB, 20, 1.5),
    large("100m", "100 MiB", 100 * MIB, 2, 1.0),
    one_way("push-10x32", "PUSH→PULL, 10 frames of 32 B", Work(1000, size=32, frames=10), targets=({"pyzmq": 5},)),
    fan_out(1, 0.8),
    fan_out(10, 0.7),
    fan_out(100, 0.7),
    routed(1, 1.5),
    routed(10, 3),
    routed(100, 3),
    held(1, "1"),
    held(1000, "1k"),
    held(100_000, "100k"),
    many(one_way("push-64", "PUSH→PULL 64 B", Work(2000)), 3.5),
    many(one_way("ipc-push-64", "PUSH→PULL 64 B, ipc", Work(2000, transport="ipc")), 3.5),
    many(one_way("inproc-push-64", "PUSH→PULL 64 B, inproc", Work(2000, transport="inproc")), 8),
    many(one_way("push-1k", "PUSH→PULL 1 KiB", Work(2000, size=KIB)), 1.3),
    *(many(fan_out(subscribers, 0), 2) for subscribers in (1, 10, 100)),
    many(routed(1, 0), 3.4),
    many(routed(10, 0), 3.6),
    many(routed(100, 0), 4.4),
    idle(5000),
    idle(10_000),
    connect("connect", "", 0.8, work=Work(20)),
    *curve(),
]


@dataclass
class Figures:
    """The measurements of one row: by rival, the cost in each round (seconds per message, KiB …)."""

    name: str
    words: str
    unit: str
    size: int
    targets: dict[str, float]
    costs: dict[str, list[float | None]] = field(default_factory=dict)

    def ratio(self, rival: str) -> tuple[float, float, float] | None:
        """The median, least and greatest of the rival's cost divided by ours."""
        pairs = zip(self.costs.get(rival, []), self.costs.get("mini", []), strict=False)
        ratios = [theirs / ours for theirs, ours in pairs if theirs and ours and theirs > 0 and ours > 0]
        return (median(ratios), min(ratios), max(ratios)) if ratios else None

    def cost(self, rival: str) -> float | None:
        known = [cost for cost in self.costs.get(rival, []) if cost is not None]
        return median(known) if known else None


class Bench:
    """The crews of all rivals, and the settings of the rounds."""

    def __init__(self, rivals: Iterable[str], rounds: int, seconds: float, *, tiny: bool = False) -> None:
        self.rivals = list(rivals)
        self.rounds = rounds
        self.seconds = seconds  # of each run, approximately
        self.tiny = tiny
        self.crews = {name: Crew() for name in self.rivals}

    def close(self) -> None:
        for crew in self.crews.values():
            crew.stop()

    def run(self, row: Row, rival: str, work: Work) -> tuple[float, ...] | None:
        """The costs, by figure, or None if the rival doesn't finish."""
        crew = Crew() if row.fresh else self.crews[rival]
        names = row.others[0] or rival, row.others[1] or rival
        try:
            figures = crew.run(names, row.roles, work)
        except Stalled as error:
            if self.tiny:
                raise
            print(f"{row.name}, {rival}: {last_words(error)}", file=sys.stderr)
            crew.kill()
            if not row.fresh:
                self.crews[rival] = Crew()
            return None
        if row.fresh:
            crew.stop()
            return figures
        count, seconds = figures
        assert count > 0
        return (seconds / count,)

    def measure(self, row: Row) -> list[Figures]:
        """Run all rounds of one row."""
        rivals = [name for name in row.rivals if name in self.rivals]
        work = row.work
        if self.tiny:
            work = replace(work, **{name: min(most, getattr(work, name)) for name, most in TINY.items()})
        works = dict.fromkeys(rivals, work)
        rounds = self.rounds
        if row.fresh:
            rounds = 1 if rounds <= QUICK[0] else 3  # because memory varies little
        elif not self.tiny:
            for name in rivals:
                if (found := self.calibrated(row, name)) is None:
                    del works[name]
                else:
                    works[name] = found
            rivals = list(works)
        results = [
            Figures(row.name, row.words, unit, work.size * work.frames, targets, {name: [] for name in rivals})
            for unit, targets in zip(row.units, row.targets, strict=True)
        ]
        for _ in range(rounds):
            rivals = rivals[1:] + rivals[:1]
            for name in rivals:
                costs = self.run(row, name, works[name])
                for index, result in enumerate(results):
                    result.costs[name].append(costs[index] if costs else None)
        return results

    def calibrated(self, row: Row, rival: str) -> Work | None:
        """The work with so many messages that the rival takes about `seconds`, or None if it can't do the work."""
        work = row.work
        costs = self.run(row, rival, work)
        if not costs:
            return None
        each = work.count * (work.peers if row.roles[0].startswith("publish") else 1)
        return replace(work, count=max(2, min(row.most, int(work.count * self.seconds / (costs[0] * each)))))


def last_words(error: Exception) -> str:
    """The last line of a traceback that isn't empty."""
    return [line for line in str(error).splitlines() if line.strip(" |+-")][-1].strip(" |+-")


def chosen(names: list[str]) -> list[Row]:
    """The rows with a name that is, or begins with, one of `names`; all rows if `names` is empty."""
    exact = {row.name for row in ROWS} & set(names)
    return [
        row
        for row in ROWS
        if not names or row.name in names or any(row.name.startswith(name) for name in names if name not in exact)
    ]


def machine() -> dict[str, str]:
    """The date, the versions and the machine of the measurement."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    versions = {"Python": platform.python_version()}
    for package in ("minizmtp", "trio", "pyzmq", "zmq-anyio", "anyio"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        import zmq

        versions["libzmq"] = zmq.zmq_version()
    except ImportError:
        pass
    return {
        "date": time.strftime("%Y-%m-%d"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "machine": f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.messages", description="How fast is minizmtp, beside its rivals and the floor?"
    )
    parser.add_argument("rows", nargs="*", help="names of rows, or their beginnings; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under two minutes")
    parser.add_argument("--rounds", type=int, help="how often each rival has its turn")
    parser.add_argument("--seconds", type=float, help="how long a run of one rival takes, about")
    parser.add_argument("--rivals", help="some of them, as in mini,pyzmq")
    parser.add_argument("--list", action="store_true", help="the names of all rows")
    parser.add_argument("--load", metavar="FILE.json", type=Path, help="show figures written before; measure nothing")
    parser.add_argument("--json", metavar="FILE.json", type=Path, help="write all figures")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="draw the ratios (needs matplotlib)")
    parser.add_argument("--readme", action="store_true", help="print the table as Markdown, for the README")
    return parser.parse_args()


def measured(options: argparse.Namespace) -> tuple[dict[str, str], list[Figures]]:
    rivals = options.rivals.split(",") if options.rivals else installed()
    rounds, seconds = QUICK if options.quick else THOROUGH
    rounds, seconds = options.rounds or rounds, options.seconds or seconds
    about = machine() | {"rounds": f"{rounds} rounds of about {seconds:g} s"}
    results: list[Figures] = []
    bench = Bench(rivals, rounds, seconds)
    print(report.heading(rivals), file=sys.stderr if options.readme else sys.stdout, flush=True)
    try:
        for row in chosen(options.rows):
            if row.missing:
                print(f"{row.name}: skipped: {row.missing}", file=sys.stderr)
                continue
            for figures in bench.measure(row):
                results.append(figures)
                line = report.line(figures, rivals)
                print(line, file=sys.stderr if options.readme else sys.stdout, flush=True)
    finally:
        bench.close()
    return about, results


def main() -> None:
    options = arguments()
    if options.list:
        for row in ROWS:
            print(f"{row.name:16} {row.words}" + (f" (skipped: {row.missing})" if row.missing else ""))
        return
    if options.load:
        loaded = json.loads(options.load.read_text("utf-8"))
        about, results = loaded["about"], [Figures(**figures) for figures in loaded["rows"]]
        if not options.readme:
            rivals = [name for name in RIVALS if any(name in figures.costs for figures in results)]
            print(report.heading(rivals), *(report.line(figures, rivals) for figures in results), sep="\n")
    else:
        about, results = measured(options)
    if options.json:
        rows = [vars(figures) for figures in results]
        options.json.write_text(
            json.dumps({"about": about, "rows": rows}, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
    if options.plot:
        report.plot(about, results, options.plot)
    if options.readme:
        print(report.markdown(about, results))


if __name__ == "__main__":
    main()
