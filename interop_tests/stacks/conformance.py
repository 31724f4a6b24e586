"""docs/CONFORMANCE.md, from what the checks of all stacks have found.

What ends a process, or would let a stranger in, is counted and not described: neither the case nor its octets.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from interop_tests.stacks.stacks import Stack
from minizmtp.check.case import Level, Verdict
from minizmtp.check.report import LEVELS, Section
from minizmtp.check.run import Result, by_number

DOCUMENT = Path(__file__).parents[2] / "docs" / "CONFORMANCE.md"

AGAIN = "it passed at the second try"  # the note of such a result

Found = Sequence[tuple[Stack, tuple[str, list[Section]]]]

HEAD = """\
# Conformance

What `python -m minizmtp.check` makes of other stacks, each through a driver in its own language. Made by
`python -m interop_tests.stacks install`, `check` and `conformance`. What needs a registry that was not
reachable is left out: NetMQ (NuGet) and chumak (Hex).

What failed was played once more. *Second try* counts what passed then: the machine was busy, and some stacks fail only
sometimes.

## The rules

Each case is counted once for each socket that it was played against: every type that binds, DEALER, PULL and SUB that
connect, and DEALER with PLAIN and with CURVE, all over tcp. In a row with fewer sockets, the stack has no such type or
no such mechanism. *As libzmq* counts the known departures of libzmq, which are no failures. *Ended* counts cases in
which the process, or its listener, ended.
"""

COLUMNS = "sockets|passed|second try|MUST broken|SHOULD broken|unlike libzmq|as libzmq|ended"
TABLE = f"""\
| stack | language | checked | {COLUMNS.replace("|", " | ")} |
| --- | --- | --- |{" ---: |" * (1 + COLUMNS.count("|"))}"""

WEB = """
### Over WebSocket

REP, DEALER, XPUB, SUB and PULL that bind, DEALER and SUB that connect, and DEALER with PLAIN and with CURVE. A stack
that is not in this table does not speak ZMTP over WebSocket.
"""

OURS = """
### minizmtp beside libzmq

The aim is that nothing fails with minizmtp that does not fail with libzmq, except that it does not speak ZMTP 1.0
and 2.0. It closes the connection to such a peer and says why; libzmq 4 goes on in the peer's version. Every rule with
which one of the two did not simply pass, over tcp or ws:

| | rule | minizmtp | libzmq |
| --- | --- | --- | --- |"""

SCENARIOS = """
## The scenarios

Whole conversations with our sockets and with libzmq's, each type in each role, each stack binding and connecting: how
many of them went well, of those for which both stacks have the means; in brackets, how many of these at the second try.

| stack | with minizmtp | with libzmq 4.3.5 | what failed |
| --- | ---: | ---: | --- |"""

# In words, by stack; each was seen in a check, with valid input.
SURPRISES: dict[str, list[str]] = {
    "libzmq": [
        "With CURVE, a MORE outside of the box, which is not encrypted, joins two messages. pyzmq's wheel has no ws.",
    ],
    "libzmq-4.3.4": [
        "A SUB frames SUBSCRIBE for a prefix of 246 to 255 octets wrongly, so such a subscription never works, with",
        "any publisher. Over ws, a bound socket refuses `Connection: keep-alive, Upgrade`, which Firefox sends",
        "(`findings/libzmq-4.3.4-ws-refuses-keep-alive-upgrade.sh`). 4.3.5 has both right. This wheel of pyzmq has ws;",
        "that of 4.3.5 has not.",
    ],
    "debian": ["It is libzmq 4.3.4, and shows the same."],
    "pyomq": [
        "A REQ hands a second reply to its first request to the program as the answer to its second request",
        "(`findings/omq.rs-req-takes-a-late-reply-for-the-next.sh`). An XSUB sends subscriptions only, where libzmq's",
        "also sends messages to its publishers. A second peer of one name takes the name at a ROUTER, and the first",
        "is closed. Two subscriptions to one prefix are ended by one unsubscribe.",
    ],
    "zeromq.js": [
        "It is libzmq, and shows what libzmq does, but for one case: with PLAIN, after a peer has gone inside a",
        "message, the next peer's message does not reach the program, as if it were not woken. Over ws it answers a",
        "ping with an empty pong (`findings/libzmq-ws-pongs-are-empty.sh`), its client does not compare",
        "Sec-WebSocket-Accept with its key, and where a frame breaks a rule, it reads no more, but keeps the",
        "connection.",
    ],
    "jeromq": [
        "About one connect in twenty never finishes its handshake, with libzmq as with ours",
        "(`findings/jeromq-connects-that-never-shake-hands.sh`); what failed in its row of scenarios is that, each",
        "time in other scenarios. It says 3.0 and answers PING all the same.",
    ],
    "go-zeromq": [
        "A REP takes the last empty frame of a request for the end of its envelope",
        "(`findings/go-zeromq-rep-takes-the-last-empty-frame.sh`). It says 3.0, and a PING is handed to the program",
        "as a message (`findings/go-zeromq-gives-heartbeats-to-the-program.sh`). What comes before READY is not",
        "looked at closely. A PUSH or DEALER sends each message to all of its peers",
        "(`findings/go-zeromq-push-sends-to-every-peer.sh`).",
    ],
    "zmq.rs": [
        "A connection that was lost is not made again, and the names of properties are known in one spelling only.",
        "What it has means for works with ours and with libzmq alike.",
    ],
    "rzmq": [
        "Unless the option AUTO_DELIMITER is off, a DEALER puts an empty frame in front of each message, and a ROUTER",
        "takes one away; the driver sets it. A socket that binds sets as-server with NULL, waits for the other's",
        "READY before it sends its own, and closes the connection to a peer of version 4.0. Types that do not fit are",
        "accepted. A REQ sends messages of one frame only.",
    ],
}


def write(found: Found) -> None:
    """Write the document."""
    DOCUMENT.write_text("\n".join(document(found)) + "\n", encoding="utf-8")


def document(found: Found) -> Iterator[str]:
    """Its lines."""
    yield from (HEAD, TABLE)
    for stack, (date, sections) in found:
        yield rules_row(stack, date, [section for section in rules(sections) if not section.web])
    yield from (WEB, TABLE)
    for stack, (date, sections) in found:
        if over_ws := [section for section in rules(sections) if section.web]:
            yield rules_row(stack, date, over_ws)
    yield OURS
    yield from beside_libzmq(found)
    yield SCENARIOS
    for stack, (_, sections) in found:
        yield scenarios_row(stack, [section for section in sections if not section.kind])
    yield from ("", "## The rules that are not kept", "")
    for stack, (_, sections) in found:
        yield from broken_rules(stack, rules(sections))
    yield from ("## libzmq's known departures", "")
    yield from departures(found)
    yield from ("", "## What surprised", "")
    for stack, _ in found:
        if words := SURPRISES.get(stack.key):
            yield f"- **{stack.title}**: {' '.join(words)}"


def rules(sections: Sequence[Section]) -> list[Section]:
    """The sections about sockets in which something was played."""
    return [section for section in sections if section.kind and section.results]


def beside_libzmq(found: Found) -> Iterator[str]:
    """Rows for the rules that minizmtp or libzmq does not keep. libzmq over ws is npm's, because pyzmq has no ws."""
    worst: dict[tuple[str, str], dict[str, Result]] = {}
    for stack, (_, sections) in found:
        who = {"minizmtp": "minizmtp", "libzmq": "libzmq", "zeromq.js": "libzmq"}.get(stack.key)
        for section in rules(sections) if who else ():
            if stack.key == "zeromq.js" and not section.web:
                continue
            for result in section.results:
                if who and result.verdict in (Verdict.FAILED, Verdict.LIBZMQ, Verdict.ENDED):
                    worst.setdefault((result.number, result.name), {})[who] = result
    for key in sorted(worst, key=lambda key: (by_number(key[0]), key[1])):
        both = worst[key]
        first = next(iter(both.values()))
        cells = [in_words(both.get(who)) for who in ("minizmtp", "libzmq")]
        yield f"| {first.number} | {first.rule} | {' | '.join(cells)} |"


def in_words(result: Result | None) -> str:
    """What came of a case, for a cell."""
    if result is None:
        return "kept"
    if result.verdict is Verdict.ENDED:
        return "ended"
    return result.note if result.verdict is Verdict.LIBZMQ else f"not kept ({LEVELS[result.level]})"


def name_of(stack: Stack, sections: Sequence[Section]) -> str:
    """The name and version that the driver gave."""
    return next((section.stack for section in sections if section.kind and section.results), stack.title)


def rules_row(stack: Stack, date: str, sections: Sequence[Section]) -> str:
    """A row of the first table."""
    results = [result for section in sections for result in section.results]
    broken = dict.fromkeys(Level, 0)
    for result in results:
        if result.verdict is Verdict.FAILED:
            broken[result.level] += 1
    verdicts = [result.verdict for result in results]
    cells = [
        name_of(stack, sections),
        stack.language,
        date,
        len(sections),
        verdicts.count(Verdict.PASSED),
        sum(result.note == AGAIN for result in results),
        *broken.values(),
        verdicts.count(Verdict.LIBZMQ),
        verdicts.count(Verdict.ENDED),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def scenarios_row(stack: Stack, sections: Sequence[Section]) -> str:
    """A row of the second table. In a section of scenarios, mechanism is the other stack's key."""
    cells = []
    failed: dict[str, None] = {}
    for other in ("minizmtp", "libzmq"):
        results = [result for section in sections if section.mechanism == other for result in section.results]
        played = [result for result in results if result.verdict is not Verdict.NOT_RUN]
        passed = sum(result.verdict is Verdict.PASSED for result in played)
        again = sum(result.note == AGAIN for result in played)
        cells.append(f"{passed} of {len(played)}" + f" ({again})" * bool(again) if played else "–")
        failed |= {name: None for result in played if result.verdict is Verdict.FAILED for name in [scenario(result)]}
    return f"| {stack.title} | {' | '.join(cells)} | {', '.join(failed)} |"


def scenario(result: Result) -> str:
    """Its name without the role."""
    return result.name.removesuffix("-first-binds").removesuffix("-second-binds")


def broken_rules(stack: Stack, sections: Sequence[Section]) -> Iterator[str]:
    """A list of the rules that a stack does not keep, each with the types in which that was seen."""
    kinds: dict[tuple[str, str], dict[str, None]] = {}
    words: dict[tuple[str, str], Result] = {}
    for section in sections:
        for result in section.results:
            if result.verdict is Verdict.FAILED:
                key = result.number, result.name
                kinds.setdefault(key, {})[section.kind] = None
                words[key] = result
    ended = sum(result.verdict is Verdict.ENDED for section in sections for result in section.results)
    if not kinds and not ended:
        return
    yield f"### {name_of(stack, sections)}"
    yield ""
    if ended:
        yield f"In {ended} cases the process, or its listener, ended. They are not named here."
        yield ""
    if kinds:
        yield "| | rule | matters | seen in |"
        yield "| --- | --- | --- | --- |"
    for key in sorted(kinds, key=lambda key: (by_number(key[0]), key[1])):
        result = words[key]
        every = {section.kind for section in sections if any(each.name == key[1] for each in section.results)}
        seen = "all" if set(kinds[key]) == every and len(every) > 1 else " ".join(kinds[key])
        yield f"| {result.number} | {result.rule} | {LEVELS[result.level]} | {seen} |"
    yield ""


def departures(found: Found) -> Iterator[str]:
    """A table of the departures that libzmq is known for, and which stacks have them, too."""
    stacks = [stack for stack, _ in found]
    rows: dict[tuple[str, str], tuple[Result, set[str]]] = {}
    for stack, (_, sections) in found:
        for section in sections:
            for result in section.results:
                if result.verdict is Verdict.LIBZMQ:
                    _, who = rows.setdefault((result.number, result.name), (result, set()))
                    who.add(stack.key)
    yield f"| | what libzmq does | {' | '.join(stack.key for stack in stacks)} |"
    yield f"| --- | --- |{' --- |' * len(stacks)}"
    for key in sorted(rows, key=lambda key: (by_number(key[0]), key[1])):
        result, who = rows[key]
        cells = ["•" if stack.key in who else "" for stack in stacks]
        yield f"| {result.number} | {result.rule}: {result.note} | {' | '.join(cells)} |"
