"""The ten steps and an exercise: the cases that check each, the part of the text that explains each case, and a hint.

A line of a table is the name of a case, a heading of the step's text, and the hint; a line with a colon says which kind
of program the next lines are for. The names are those of `python -m minizmtp.check --list` and of `lessons`.

    >>> STEPS[0].title, STEPS[0].checks[0].case.name()
    ('The greeting', 'each-octet-of-the-greeting')
    >>> step("frames").number, step("2").name
    (2, 'frames')

Read next: `hook`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..check import __main__ as check_groups
from ..check.case import ALL, Case
from .lessons import LESSONS
from .program import CONNECTS

TEXTS = Path(__file__).with_name("steps")
CASES = {case.name(): case for case in (*(case for case in ALL if case.group), *LESSONS)}
assert check_groups.GROUPS  # importing the command line has loaded every group of cases


@dataclass(frozen=True)
class Check:
    """One case for one kind of program. part: a heading of the step's text. late, settings: see `program.Mine`."""

    case: type[Case]
    kind: str
    part: str
    hint: str
    mechanism: bytes = b"NULL"
    settings: Mapping[str, str] = field(default_factory=dict)
    late: float = 0.0

    @property
    def dials(self) -> bool:
        """Whether the program connects."""
        return self.kind in CONNECTS


@dataclass(frozen=True)
class Step:
    """One step of the course. name: of its text's file, too."""

    number: int
    name: str
    title: str
    checks: tuple[Check, ...]

    @property
    def text(self) -> str:
        """The text: hook, explanation, what will be tested, notes."""
        return (TEXTS / f"{self.number:02}-{self.name}.md").read_text("utf-8")


def checks_of(
    table: str, mechanism: bytes = b"NULL", settings: Mapping[str, str] | None = None, late: float = 0.0
) -> tuple[Check, ...]:
    """The checks of a table."""
    found, kind = [], ""
    for line in filter(None, map(str.strip, table.splitlines())):
        if line.endswith(":"):
            kind = line[:-1]
            continue
        name, part, hint = (word.strip() for word in line.split("|"))
        found.append(Check(CASES[name], kind, part, hint, mechanism, settings or {}, late))
    return tuple(found)


GREETING = checks_of("""
    PULL:
    each-octet-of-the-greeting | The 64 octets | Print your greeting in hex and count: 10 + 2 + 20 + 1 + 31.
    version-comes-before-ours | Both speak first | Send your greeting as soon as TCP has connected; read after that.
    greeting-is-answered | Both speak first | Every connection gets a greeting, and not only the first.
    nothing-after-the-greeting | The 64 octets | as-server and the filler are 32 zeros together.
    stays-open | What is left to do | Read until the peer ends the connection, close it, and accept the next.
    greeting-octet-by-octet | A stream has no borders | recv(64) may return one octet. Read in a loop.
    other-padding | What to look at | Octets 1 to 8 mean nothing to you.
    later-version | What to look at | The major version is at least 3: compare with <, not with ==.
    later-minor-version | What to look at | The minor version is for information; accept any.
    as-server-is-zero | The 64 octets | Octet 32 is 0, as a number and not as the letter "0".
    mechanism-is-padded | The 64 octets | NULL is four letters and sixteen zero octets, not spaces.
    no-signature | What to look at | Compare octets 0 and 9 with ff and 7f.
    other-mechanism | What to look at | The mechanism is all 20 octets from octet 12 on.
    almost-the-mechanism | What to look at | Compare 20 octets with NULL and 16 zeros, and change nothing before.
    old-version | What to look at | Look at octet 10 as soon as 11 octets are there: the peer sends no more.
    oldest-version | What to look at | Look at octet 0 as soon as it is there: this peer sends no more.
    other-protocol | What to look at | "G" is not ff, so the first octet is enough.
    leaves-inside-the-greeting | A stream has no borders | recv returns nothing at the end: close, and accept the next.
""")

FRAMES = checks_of("""
    PULL:
    one-frame | Commands | The first frame is the command READY: 04 or 06 in its flags. Pass it over.
    empty-frame-is-a-dash | Lines | An empty frame has size 0 and no body, and its word on the line is "-".
    several-frames | Messages | Collect frames until one comes without MORE, then print them on one line.
    sizes-of-frames | The header | The size octet of a short frame has no sign; a long size has 8 octets, big-endian.
    long-form-of-a-small-frame | The header | LONG says how the size is written, whatever the size is.
    octet-by-octet | The header | Read exactly 1 octet, then 1 or 8, then the body, each in a loop.
    a-hundred-at-once | The header | Octets that came with one frame belong to the next: keep them.
    commands-are-passed-over | Commands | A command between two frames must not end or empty the message.
    all-in-one-write | The header | What was read together with the greeting is the first frame.
    half-of-a-message | Messages | The frames that you collect belong to one connection and end with it.
    end-inside-a-frame | Messages | The end of the stream inside a frame is the end of the message.
    reserved-bits-of-flags | The header | flags & f8 must be 0.
    more-on-a-command | Commands | Flags 05 and 07 are wrong.
    size-beyond-all | The header | Compare the size before you read or allocate: its first bit must be 0.
""")

READY = checks_of("""
    PULL:
    ready-octet-by-octet | The octets of READY | Count the lengths again: one octet for names, four for values.
    ready-comes-first | The octets of READY | If both wait for the other's READY, both wait forever.
    ready-is-answered | The octets of READY | Send READY after your greeting, without waiting for the peer's.
    says-its-type | The octets of READY | The property is Socket-Type.
    type-is-one-of-the-list | The octets of READY | The value is PULL, in capitals.
    greeting-and-ready-together | What comes first | READY may be in the same packet as the greeting.
    greeting-in-pieces | What comes first | Read the greeting in a loop.
    ready-in-pieces | What comes first | READY is a frame like others: read it in the same way.
    long-ready | What comes first | 06 is a command, too.
    large-ready | Reading metadata | A READY of more than 255 octets comes in a long frame.
    other-properties | Reading metadata | Pass over properties that you don't know; a value may be empty.
    names-without-case | Reading metadata | Compare the names of properties in lower case.
    long-identity | Reading metadata | The length of a value has four octets.
    no-socket-type | Reading metadata | A READY without Socket-Type is accepted, as libzmq does.
    all-partners-fit | Types that fit | The peer of a PULL is a PUSH.
    wrong-types | Types that fit | Close the connection if the peer is no PUSH.
    wrong-type-in-capitals | Reading metadata | Compare the names of properties in lower case.
    type-in-small-letters | Types that fit | The value of Socket-Type is compared as it is.
    value-that-ends-early | Reading metadata | Check each length against what is left before you cut.
    trailing-octets | Reading metadata | After the last property nothing may be left.
    message-before-ready | What comes first | A message frame before READY is an error.
    other-command-before-ready | What comes first | The name is all its letters: READY, and nothing that resembles it.
    ping-before-ready | What comes first | Any command but READY ends the connection.
    ready-of-another-length | What comes first | Compare the length octet, 05, as well as the five letters.
    error-ends-the-handshake | What comes first | ERROR is a command other than READY.
    leaves-inside-ready | What comes first | The end of the stream is possible at every read.
    one-peer-for-messages | What comes first | After READY, messages are printed as in step 2.
""")

REQREP = checks_of("""
    REQ:
    request-octet-by-octet | REQ | The empty frame has the flags MORE, 01, and the size 0.
    request-has-delimiter | REQ | The frames of the line follow the empty frame, with MORE on all but the last.
    questions-in-turn | REQ | Take the empty frame off the reply, and print the rest.
    one-request-at-a-time | REQ | Read the next line when the reply has been printed.
    reply-reaches-the-program | REQ | Only the first empty frame is the delimiter; others belong to the reply.
    reply-before-the-request | REQ | Before you send a request, read and drop what has come already.
    reply-without-delimiter | REQ | Drop a reply whose first frame is not empty, and wait for the next.
    all-partners-fit | Types that fit | REP and ROUTER.
    wrong-types | Types that fit | REP and ROUTER, and no other.
    REP:
    answers-in-turn | REP | Print the request, read a line, send it; then take the next message.
    envelope-comes-back | REP | The envelope is all up to the first empty frame, which is included.
    request-without-delimiter | REP | Without an empty frame there is no way back: drop the message.
    asker-has-gone | REP | The reply to a peer that has gone is dropped: read its line, and serve the next peer.
    ready-octet-by-octet | Types that fit | Socket-Type is KIND, here REP.
    all-partners-fit | Types that fit | REQ and DEALER.
    wrong-types | Types that fit | REQ and DEALER, and no other.
""")

MANY = checks_of("""
    PULL:
    silent-peers | A thread for each peer | Accept the next peer while others are still in their greeting.
    fifty-peers | A thread for each peer | listen(100) lets a hundred peers wait for accept.
    lines-stay-whole | Lines stay whole | Hold a lock while you write a line and flush it.
    half-of-a-message | Lines stay whole | Frames are collected for each connection by itself.
    a-flood-and-another | Lines stay whole | Let the lock go after each line.
    pull-waits | Back-pressure | Don't read on before the line is written; keep no list of what is to be written.
    REP:
    one-turn-at-a-time | REP and its turn | Hold the lock from the printing until the line with the reply has been read.
    reply-goes-to-the-asker | REP and its turn | Keep the connection with the request, and send the reply there.
    asker-has-gone | REP and its turn | Let the lock go, whatever happens to the connection.
    PUSH:
    push-changes-nothing | PUSH | A line is one message; MORE is on all frames but the last.
    sends-in-order | PUSH | Read the next line when the one before has been sent.
    sends-every-size | PUSH | Up to 255 octets a frame is short, and above it is long.
    no-message-before-ready | PUSH | Read no lines before the peer's READY has come.
    push-waits | Back-pressure | A blocking send waits for the peer: read no line meanwhile.
    wrong-types | PUSH | PULL, and no other.
""")

PUBSUB = checks_of("""
    PUB:
    prefix-is-matched | Subscriptions | Compare the octets of the prefix with the first of the message.
    empty-prefix | Subscriptions | Every message begins with the empty prefix.
    nothing-unasked | Subscriptions | Without a subscription nothing matches.
    first-frame-decides | Subscriptions | The prefix is compared with the first frame; all frames are sent.
    old-subscription | Subscriptions | 00 and a prefix takes it back.
    counts-subscriptions | Subscriptions | Count: two subscriptions to one prefix take two cancellations.
    long-prefixes | Subscriptions | A long prefix comes in a long frame.
    message-for-a-publisher | Subscriptions | Drop what begins with neither 00 nor 01.
    two-subscribers | A queue for each peer | Subscriptions belong to a connection, and end with it.
    slow-subscriber | A queue for each peer | The thread that reads lines waits for no peer: full means dropped.
    wrong-types | SUB | SUB and XSUB, and no other.
    SUB:
    subscribe-to-old-peers | SUB | A subscription is a message of one frame: 01 and the prefix.
    long-subscriptions | SUB | 01 and 255 octets of prefix are 256: a long frame.
    late-publisher | SUB | Lines that came before the handshake are sent after it, each once.
    subscriptions-are-counted | SUB | Send 00 and the prefix when it was taken back as often as asked for.
    asks-once | SUB | Send 01 and the prefix only if it was not asked for before.
    sub-hands-on | SUB | Print the message with all its frames.
    sub-filters-too | SUB | Compare messages with your own subscriptions, too, before you print them.
""")

ROUTER = checks_of("""
    ROUTER:
    name-in-front | Names | The name is the property Identity of the peer's READY, and goes in front of its frames.
    made-up-names | Names | 00 and four octets at random. With the same name twice, the second peer gets no messages.
    requests-and-replies | Names | Add the name, and change nothing else.
    goes-by-the-name | The way back | The first frame of a line is the name, and is not sent.
    unknown-name | The way back | Drop the line, and go on.
    name-comes-back | The way back | Forget the name when its connection ends.
    taken-name | The way back | The first peer of a name keeps it; read what the second sends, and drop it.
    slow-dealer | The way back | Use the queue of step 6 for each peer.
    wrong-types | DEALER | REQ, DEALER and ROUTER, and no other.
    DEALER:
    dealer-changes-nothing | DEALER | A line is a message, and a message is a line.
    sends-in-order | DEALER | One thread sends lines, and another one prints messages.
    receives-in-order | DEALER | One thread sends lines, and another one prints messages.
    sends-every-size | DEALER | Up to 255 octets a frame is short, and above it is long.
    receives-every-size | DEALER | A line may be as long as a message is.
    no-message-before-ready | DEALER | Start the thread that reads lines after the handshake.
""")

LATE = """
    {kind}:
    server-comes-later | Dialling | A refused connection is no reason to end: wait a moment, and try again.
"""
RETURN = """
    {kind}:
    comes-back-after-a-close | Dialling | Read all the time, because only a read shows that the peer has gone.
    comes-back-in-the-handshake | Dialling | The end of the stream in the handshake is bad luck, too.
    pauses-between-attempts | Dialling | Wait 0.1 s after a connection that did not last, then longer.
    stays-away-after-an-error | A refusal | ERROR says that there is no use in trying again.
    stays-away-from-the-wrong-type | A refusal | A peer that breaks a rule will do so again.
"""
CONNECTING = ("PUSH", "SUB", "REQ", "DEALER")

BACK = (
    *(check for kind in CONNECTING for check in checks_of(LATE.format(kind=kind), late=0.7)),
    *(check for kind in CONNECTING for check in checks_of(RETURN.format(kind=kind))),
    *checks_of("""
    PUSH:
    messages-go-on | Lines | Read a line when there is a connection, or keep it until there is one.
    SUB:
    subscribes-again | Lines | The subscriptions belong to the program, and not to the connection.
    REQ:
    asks-again | Lines | With its connection, a question is over: read the next line.
"""),
)

SECURITY = (
    *checks_of(
        """
    PULL:
    as-server-is-set | PLAIN | Octet 32 is 01 if you bind.
    password-is-accepted | PLAIN | HELLO is a name and a password, each after its length.
    welcome-is-empty | PLAIN | WELCOME is the name of the command and nothing else.
    plain-ready-has-metadata | PLAIN | INITIATE and READY have the metadata of step 3.
    wrong-password | PLAIN | Compare all octets of the password, and answer ERROR.
    plain-error-is-spelt | PLAIN | ERROR has a reason after its length.
    hello-too-long | PLAIN | After the password nothing may be left.
    hello-too-short | PLAIN | Look whether as much is left before you cut.
    plain-out-of-turn | PLAIN | In each state only one command is right.
    message-before-welcome | PLAIN | A message is no command.
    plain-initiate-is-checked | PLAIN | Check the metadata as in step 3, and send READY after that.
    no-downgrade | PLAIN | Look at the version as soon as it is there.
    other-mechanism | PLAIN | The mechanism in the greeting is PLAIN and 15 zeros.
    messages-after-the-password | PLAIN | Go on as with NULL.
    PUSH:
    as-server-is-set | PLAIN | Octet 32 is 00 if you connect.
    hello-has-credentials | PLAIN | ZMTP_USERNAME and ZMTP_PASSWORD, each after its length of one octet.
    initiate-has-metadata | PLAIN | INITIATE has the metadata of step 3.
    welcome-with-data | PLAIN | WELCOME has no data.
    ready-before-welcome | PLAIN | The first answer is WELCOME.
    error-for-welcome | PLAIN | ERROR is no WELCOME.
""",
        b"PLAIN",
    ),
    *checks_of(
        """
    DEALER:
    client-hello | HELLO and WELCOME | Count: 2 + 72 + 32 + 8 + 80 octets behind the name.
    client-keys-are-new | HELLO and WELCOME | Make the short-term keys for each connection.
    welcome-of-other-size | HELLO and WELCOME | WELCOME has 160 octets behind the name.
    welcome-that-does-not-open | HELLO and WELCOME | What does not open ends the connection.
    ready-for-welcome | HELLO and WELCOME | The first answer is WELCOME.
    client-initiate | INITIATE and READY | The vouch is made with your long-term key, the box with the other.
    ready-that-does-not-open | INITIATE and READY | What does not open ends the connection.
    client-is-told-error | INITIATE and READY | ERROR is no READY.
    messages-in-boxes | MESSAGE | The flags in the box: 01 is MORE, 02 is a command.
    curve-changes-nothing | MESSAGE | A box may be larger than 255 octets, so its frame is a long one.
    curve-sends-as-it-is | MESSAGE | The nonce of each MESSAGE is one more than the last.
    message-that-does-not-open | MESSAGE | What does not open ends the connection.
    message-again | MESSAGE | A nonce has to be greater than the one before.
    message-in-clear | MESSAGE | After the handshake all frames are MESSAGE.
    nonce-with-a-gap | MESSAGE | A greater nonce is right, whether it is the next or not.
""",
        b"CURVE",
    ),
)

ALIVE = (
    *checks_of("""
    PULL:
    says-minor-one | Version 3.1 | Octet 11 of the greeting.
    ping-is-answered | PING and PONG | PONG has the context of the PING, without the ttl.
    many-pings | PING and PONG | Answer each of them.
    ping-inside-a-message | PING and PONG | Answer before the message has ended.
    pong-unasked | PING and PONG | PONG needs no answer, and is no error.
    long-context | PING and PONG | A context has at most 16 octets.
    ttl-runs-out | The ttl | Reads wait for the ttl at most, then close.
    ttl-after-other-traffic | The ttl | The ttl stays until the next PING.
    traffic-is-life | The ttl | Each octet that comes starts the time anew.
    no-ttl | The ttl | A ttl of 0 is none.
    long-ttl | The ttl | The ttl is in tenths of a second, two octets without a sign.
    unknown-command | Version 3.1 | Pass over a command that you don't know.
    late-ready | Version 3.1 | READY after the handshake is a command like others.
    PUB:
    cancel-takes-it-back | Subscriptions as commands | CANCEL and a prefix are the same as 00 and the prefix.
    cancel-of-nothing | Subscriptions as commands | Pass over a CANCEL of what was not asked for.
    subscriptions-add | Subscriptions as commands | Count SUBSCRIBE and CANCEL.
    old-subscription | Subscriptions as commands | Both forms are right.
    ping-is-answered | PING and PONG | PUB reads from its peers all the time.
    SUB:
    subscribe-is-a-command | Subscriptions as commands | The command has no 01 before the prefix.
    subscribe-to-old-peers | Subscriptions as commands | Octet 11 of the peer's greeting says which form it knows.
    PUSH:
    ping-is-answered | PING and PONG | PUSH reads from its peer all the time.
"""),
    *checks_of(
        """
    DEALER:
    messages-travel-as-messages | PING and PONG | In CURVE, PONG is sent in a MESSAGE whose inner flags are 02.
""",
        b"CURVE",
    ),
    *checks_of(
        """
    PULL:
    pings-by-itself | Your own PING | One thread for each connection sleeps and sends.
    silence-is-the-end | Your own PING | Close if nothing has come for 2.5 times the interval.
    no-ping-to-old-peers | Your own PING | Octet 11 of the peer's greeting is 0: send no PING.
    PUSH:
    silence-is-the-end | Your own PING | Close, and dial again.
""",
        settings={"ZMTP_HEARTBEAT": "200"},
    ),
)

SERVER = checks_of(
    """
    PULL:
    as-server-is-set | What changes | Octet 32 is 01 if you bind, for CURVE as for PLAIN.
    hello-is-answered | HELLO and WELCOME | WELCOME is made with your long-term key for C', and has 160 octets.
    cookies-are-new | HELLO and WELCOME | Make S' and the cookie for each connection.
    hello-of-other-size | HELLO and WELCOME | HELLO has 194 octets behind the name.
    hello-of-other-version | HELLO and WELCOME | The first two octets are 01 00.
    hello-with-padding | HELLO and WELCOME | The 72 octets after the version are zeros.
    hello-for-another-server | HELLO and WELCOME | What does not open ends the connection.
    hello-with-other-content | HELLO and WELCOME | The box holds 64 zeros and nothing else.
    curve-out-of-turn | HELLO and WELCOME | In each state only one command is right.
    initiate-is-answered | INITIATE and READY | READY's box is made with s' for C', and its number is 1.
    initiate-that-does-not-open | INITIATE and READY | What does not open ends the connection.
    other-cookie | INITIATE and READY | Compare all 96 octets with the cookie that you gave.
    vouch-for-another-key | INITIATE and READY | The vouch holds C', which is the key of HELLO, and S.
    initiate-with-old-nonce | INITIATE and READY | The number of INITIATE is greater than HELLO's.
    initiate-with-bad-metadata | INITIATE and READY | Read the metadata as in step 3.
    message-that-does-not-open | What changes | What does not open ends the connection.
    message-again | What changes | A number has to be greater than the one before, from INITIATE's on.
    message-in-clear | What changes | After the handshake all frames are MESSAGE.
    message-too-short | What changes | A MESSAGE has 33 octets at least: name, number, and a box with the flags.
    other-flags-inside | What changes | Of the flags in a box, bits 2 to 7 are 0.
    nonce-with-a-gap | What changes | A greater number is right, whether it is the next or not.
    flags-outside-the-box | What changes | MORE is in the box; a frame's own flags say nothing.
    curve-changes-nothing | What changes | A box may be larger than 255 octets, so its frame is a long one.
    messages-travel-as-messages | What changes | PONG is sent in a MESSAGE whose inner flags are 02.
    ROUTER:
    names-in-boxes | What changes | Your nonces begin with CurveZMQMESSAGES, and count from READY's number on.
""",
    b"CURVE",
)

STEPS = (
    Step(1, "greeting", "The greeting", GREETING),
    Step(2, "frames", "Frames", FRAMES),
    Step(3, "ready", "READY", READY),
    Step(4, "reqrep", "REQ and REP", REQREP),
    Step(5, "many", "Many peers at once, and back-pressure", MANY),
    Step(6, "pubsub", "PUB and SUB", PUBSUB),
    Step(7, "router", "ROUTER and DEALER", ROUTER),
    Step(8, "back", "Coming back", BACK),
    Step(9, "security", "PLAIN and CURVE", SECURITY),
    Step(10, "alive", "Staying alive", ALIVE),
    Step(11, "server", "An exercise: the CURVE server", SERVER),
)


def step(word: str) -> Step:
    """The step with this number or name. Raises ValueError for any other word."""
    for each in STEPS:
        if word in (str(each.number), each.name):
            return each
    raise ValueError(f"there is no step {word}; there are {', '.join(f'{each.number} {each.name}' for each in STEPS)}")
