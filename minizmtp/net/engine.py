"""The engine: one connection at work. The only place that holds both a stream and a `Connection`.

                                               ┌─ Connection ─┐
    stream ──try_receive_into()───────────────►│              │──► next_event ──► pipe.inbound ──► socket
    stream ◄──try_send()───── outbox ◄─────────│     send     │◄── take_batch ─── pipe.outbound ◄── socket
                                 ▲             └──────────────┘
                                 └── data_to_send: greeting, READY, PONG

It has no task. The `reactor` calls `turn` when the stream can be read or written, or when it was asked to, and a turn
is a plain function: read what has come, make events of it, put the messages into the pipe; or encode what is queued,
and offer it to the system.

**Reading.** One read may hold a thousand messages, and a turn may be several reads. When the pipe's inbound queue is
full the engine stands still: it reads no more, unread bytes fill the system's buffers, TCP slows the peer, the peer's
own queue fills, its `send` waits. That is all of back-pressure.

**Writing.** A message for an idle connection goes to the system at once, inside `send()`: a request is on its way
before anybody is woken. If more comes on its heels it stays in the queue, and the reactor is asked for a turn, which it
gives as soon as the sending task lets go; then all that is queued by then is joined into one write.

    message 1   ──► system            at once
    message 2   ──► queue             a turn is asked for …
    message 3 … ──► queue
                    queue ──► system  … and finds them all

But where many came at once there may be as many answers, and half of them do not wait for the rest: so the peer has
something to do meanwhile. (A DEALER and a ROUTER with a hundred messages under way exchange half as many again.)

**A turn has an end, whatever the peer sends.** One read may also hold sixteen thousand PINGs, or a message of thirty
thousand frames. So each turn gives the `Connection` an allowance of work. When that is used up, what is left stays in
the decoder, nothing more is read, and the next turn goes on, after other tasks and other connections had theirs.

**Whoever waits reads.** A program that waits in `recv` for its only peer need not be woken by the reactor: it is lent
the stream, waits for it itself, and takes the turn in its own task. That saves a change of tasks.

What each is worth, in microseconds of CPU for a request of 64 octets and its reply, both ends together: 52 as it is, 62
if the reactor reads for those who wait, 82 if no message goes out inside `send()`. (Measured on 2026-11-25. An echo
over bare trio streams takes 42, and one over bare sockets, with trio for the waiting alone, 26.)

**Nothing is left half-done**, for nothing here waits: a cancellation cannot come in between.

Below this module: `transports`, `reactor`, `outbox`, `heartbeat`, `wire.connection`, `patterns.queue`.
Above it: `session`.
Read next: `session`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from ..errors import ProtocolError, Refused, printable
from ..options import Options
from ..patterns.queue import Pipe, Queue, Source
from ..wire import (
    NEED_DATA,
    Authenticate,
    Cancel,
    Connection,
    ConnectionClosed,
    Error,
    Message,
    Ping,
    Pong,
    Ready,
    Subscribe,
    Verdict,
)
from .heartbeat import NEVER, Heartbeat, Silence
from .outbox import Outbox
from .reactor import MUTE, READ, WRITE, Reactor
from .transports import READ_SIZE, Stream

# Reads in one turn, and writes, and octets and messages that are read; after so many, others have their turns first.
# (With a turn for each read, a PULL takes a fifth more time for messages of 1 KiB, and half as much again for 64 KiB.
# 2026-11-25.)
READS = WRITES = 16
OCTETS = 1 << 20
MESSAGES = 256

# What a turn may decode, in short frames (see `wire.connection`): about 0.25 ms. One read of messages of 64 octets
# holds a thousand of them, and is to be one turn.
WORK = 1024

# A PING behind less than so many octets is out at once, on any link.
LITTLE = 1024

# Seconds between two of the PONGs that are sent unasked by all connections of a Context together, and between the times
# at which they are sent.
PONG_PAUSE = 0.001
TICK = 0.02

# If so many messages came at once, there may be as many answers: then half of them do not wait for the rest.
MANY = 50

# PONGs that a peer asks for and does not read: with more than so many octets unsent, we stop listening to it.
MOST_OWED = 65536

# Tenths of a second. The field would hold ten times as much, but libzmq takes 656 for 64 milliseconds (37-72).
LARGEST_TTL = 655


class Disconnected(Exception):
    """The stream ended, or broke, or the peer took too long. Another attempt may go better (37-17)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason or os.strerror(code))
        self.errno = code


class Conversation(Protocol):
    """What an engine needs of its session: to be told what has happened."""

    def asked(self, question: Authenticate) -> None:
        """Somebody has to decide whether the peer may come in; see Engine.judge."""

    def ready(self, ready: Ready) -> None:
        """The handshake is done. Gives the engine its pipe, by Engine.carry."""

    def drained(self) -> None:
        """All that was queued is with the system."""

    def over(self, reason: Exception) -> None:
        """The connection has ended, by ProtocolError (Refused, if the peer says so), Disconnected, or our mistake."""


class Engine(Source):
    """stream: a fresh connection. connection: the protocol, nothing said yet. options: for the heartbeats."""

    def __init__(
        self, stream: Stream, connection: Connection, options: Options, reactor: Reactor, session: Conversation
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._options = options
        self._reactor = reactor
        self._session = session
        self._pipe: Pipe | None = None  # until the peer is ready
        self._inspect: Callable[[Message], None] | None = None
        self._heart: Heartbeat | None = None
        self._alarm = 0  # the number of a call: when the handshake has to be done, and then for the heart …
        self._alarm_at = NEVER  # … and when that is
        self._asks = False  # we send PINGs
        self._ping_end = 0  # the outbox has sent so many octets when the oldest unanswered PING is out
        self._gone = 0  # octets that have reached the peer's system, when that was last looked at
        self._outbox = Outbox(stream, connection)  # encoded, not yet taken by the system
        self._wanted = 0  # what the reactor calls us for
        self._prompt = True  # the next message may go at once …
        self._writing = False  # … or waits for the turn that was asked for
        self._full = False  # the inbound queue is, and we stand still …
        self._gets_pongs = False  # … and the peer hears from us unasked
        self._held = False  # there may be more in what was read …
        self._is_coming = False  # … and the turn that goes on with it was asked for
        self._half = 0  # of the messages that came at once; so many answers do not wait (0: all do)
        self._lent = False  # a receiver waits for the stream
        self._over = False

    def start(self, patience: float) -> None:
        """Begin with the greeting; the peer has patience seconds to be ready."""
        if patience < NEVER:
            self._alarm = self._reactor.call_at(trio.current_time() + patience, self._too_slow)
        self._set_wanted()
        self.turn(READ)  # a quick peer may have spoken already: then our greeting and READY are one write
        if not self._over:
            self.speak()
            self._set_wanted()

    def _too_slow(self) -> None:
        self.turn(READ)  # it may be the program that was slow: what has come meanwhile counts
        if self._over or self._pipe is not None:
            return
        words = f"no handshake within {self._options.handshake_ivl} ms (handshake_ivl)"
        self.stop(Disconnected(errno.EAGAIN, words))

    @property
    def unsent(self) -> bool:
        """Is there anything that the system has not taken yet?"""
        return self._outbox.size > 0

    @property
    def greeting_octets(self) -> int | None:
        """How many octets of the peer's greeting have come; None when all have."""
        return self._connection.greeting_octets

    def turn(self, may: int) -> None:
        """Do what can be done now: READ, WRITE or both. Whatever goes wrong in it ends this connection, and no more."""
        if self._over:
            return
        try:
            if self._held:
                self._go_on()
            if may & READ:
                self._read()
            if may & WRITE and (self._writing or self._outbox.size):
                self._write()
            self._set_wanted()
        except Exception as error:
            self.stop(error)

    def end(self, why: str) -> None:
        self.stop(Disconnected(errno.ECONNABORTED, why))

    def stop(self, reason: Exception) -> None:
        """End the connection.

        What was in the outbox, and cannot have reached the peer whole, goes back to the pipe: the next connection of a
        pipe that outlives this one sends it. What the system has taken is not sent twice (37-54).
        """
        if self._over:
            return
        if isinstance(reason, ProtocolError) and self._pipe is None:
            self.speak()  # the last word, if the system takes it; in traffic, a message may be half-way out
        self._over = True
        self._stand_no_more()
        self._want(0)
        self._reactor.cancel(self._alarm)
        if self._pipe is not None:
            self._pipe.source = None
            self._pipe.outbound.set_reader()
            self._pipe.inbound.set_writer()
            self._pipe.outbound.put_back(self._outbox.unsent())
        self._stream.close()
        self._session.over(reason)

    @property
    def _may_read(self) -> bool:
        if self._pipe is None and self._connection.undecided and self._connection.held:
            return False  # of who is not let in yet, no more is kept than one read
        outbox = self._outbox
        return not (self._full or self._lent or self._held or self._over) and (
            outbox.owed <= MOST_OWED or outbox.broken
        )

    def _set_wanted(self) -> None:
        """Tell the reactor what we wait for."""
        if self._over:
            return
        wanted = READ if self._may_read else MUTE if self._lent or self._held else 0
        if self._outbox.size and not self._outbox.broken:
            wanted = wanted & READ | WRITE
        if wanted != self._wanted:
            self._want(wanted)

    def _want(self, wanted: int) -> None:
        if self._wanted or wanted:
            self._reactor.want(self._stream.fileno, self._wanted, wanted, self.turn)
        self._wanted = wanted

    # --------------------------------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        """What has come: read on until there is no more, or the turn has done enough."""
        self._connection.decoder.allowance = WORK
        reads = messages = octets = 0
        while reads < READS and messages < MESSAGES and octets < OCTETS and self._may_read:
            try:
                count = self._stream.try_receive_into(self._connection)
            except OSError as error:
                raise Disconnected(error.errno or errno.EIO, str(error.strerror)) from None
            if count is None:
                break
            if self._heart is not None:
                self._heart.heard(trio.current_time())
            reads += 1
            octets += count
            messages += self._advance()
            if count < READ_SIZE:
                break
        if reads:  # one message asks for a quick answer, many for many: those are worth one write, or two
            self._prompt = messages <= 1
            self._half = messages // 2 if messages >= MANY else 0

    def _advance(self) -> int:
        """Make events of what has come; how many messages there were."""
        if self._pipe is None:
            self._shake_hands()
        messages = self._receive(self._pipe) if self._pipe is not None else 0
        self.speak()
        return messages

    def _shake_hands(self) -> None:
        """Until both sides are ready, or there is nothing more to read."""
        while self._pipe is None:
            event = self._connection.next_event()
            if event is NEED_DATA:
                return
            if isinstance(event, Ready):
                self.speak()  # our own READY may still wait here, and must be out before any message (37-33)
                self._session.ready(event)
            if isinstance(event, Authenticate):
                self._session.asked(event)
            if isinstance(event, Error):
                status = int(event.reason) if event.reason in (b"300", b"400", b"500") else 0
                raise Refused(f"the peer refuses us: {printable(event.reason)}", status)
            if isinstance(event, ConnectionClosed):
                raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}")

    def judge(self, verdict: Verdict) -> None:
        """The answer to the question that the session was asked."""
        if self._over:
            return
        try:
            self._connection.decoder.allowance = WORK
            self._connection.receive_verdict(verdict)
            self._advance()
            self._set_wanted()
        except Exception as error:
            self.stop(error)

    def carry(self, pipe: Pipe, inspect: Callable[[Message], None] | None) -> None:
        """From now on carry messages between pipe and peer.

        inspect: if given, is shown each message that comes, and may raise ProtocolError.
        """
        self._reactor.cancel(self._alarm)
        self._pipe = pipe
        self._inspect = inspect
        if self._options.heartbeat_old_peers:
            self._connection.knows_ping = True
        if self._options.heartbeat_ivl and self._connection.knows_ping:
            self._begin_to_ask()
        pipe.source = self
        pipe.outbound.set_reader(self._flush)
        pipe.outbound.notify_at(1)  # whatever the connection before was waiting for
        if len(pipe.outbound):
            self._flush()

    @property
    def heartbeats_off(self) -> bool:
        """Does heartbeat_ivl have no effect, because the peer is not known to understand a PING?"""
        asks = self._options.heartbeat_ivl and not self._options.heartbeat_old_peers
        return bool(asks) and not self._connection.knows_ping

    def _receive(self, pipe: Pipe) -> int:
        """Put the messages into the pipe, until all that was read is used up, or the queue is full, or the turn has
        done enough; how many."""
        inbound, connection = pipe.inbound, self._connection
        count = 0
        while True:
            room = inbound.room()
            if not room:
                self._stand_still(pipe)
                break
            messages = connection.next_messages(room)
            if messages:
                self._put(messages, inbound)
                count += len(messages)
                if not connection.held:
                    break
                continue
            event = connection.next_event()
            if type(event) is list:
                self._put([event], inbound)
                count += 1
            elif event is NEED_DATA:
                break
            elif isinstance(event, ConnectionClosed):
                raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}".rstrip())
            elif isinstance(event, (Subscribe, Cancel)):
                inbound.put(event)
                count += 1
            elif isinstance(event, Ping):
                self._hear_ping(event)
        if connection.decoder.allowance <= 0 and not self._full:
            self._leave_rest()
        return count

    def _leave_rest(self) -> None:
        """What was read is not used up: a later turn goes on. (A receiver that waits may be quicker, see `wait`; so
        one may be asked for already.)"""
        self._held = True
        if not self._is_coming:
            self._is_coming = True
            self._reactor.want_soon(self._take_next_turn)

    def _take_next_turn(self, may: int) -> None:
        self._is_coming = False
        self.turn(may)

    def _put(self, messages: Sequence[bytes | Message], inbound: Queue) -> None:
        """Into the pipe, as far as a peer of ours may send such a thing."""
        if self._inspect is not None:
            for number, message in enumerate(messages):
                try:
                    self._inspect([message] if isinstance(message, bytes) else message)
                except ProtocolError:
                    inbound.put_all(messages[:number])
                    raise
        inbound.put_all(messages)

    def _stand_still(self, pipe: Pipe) -> None:
        """Until the socket has read some of what it has, nothing is read from the peer."""
        self._full = True
        pipe.inbound.set_writer(self._room)
        pipe.inbound.want_space()
        if self._connection.knows_ping:  # or else a PONG would do harm: to libzmq 4.1 it is a message
            if self._heart is None:
                self._heart = Heartbeat(now=trio.current_time())  # it asks nothing, but it has a rhythm
            self._gets_pongs = True
            self._reactor.standing += 1
            self._set_alarm()

    def _stand_no_more(self) -> None:
        self._full = False
        if self._gets_pongs:
            self._gets_pongs = False
            self._reactor.standing -= 1

    def _room(self) -> None:
        """The socket is just taking a message: we leave word, and go on when it is done (see `patterns.queue`)."""
        self._stand_no_more()
        self._cancel_alarm()  # or the heart might judge before we have listened
        self._leave_rest()

    def _go_on(self) -> None:
        self._held = False
        self._connection.decoder.allowance = WORK
        if self._heart is not None:
            self._heart.heard(trio.current_time())  # nothing was heard, for nobody listened
            self._set_alarm()
        self._advance()

    # ----------------------------------------------------------------------------------------- reading: whoever waits

    async def wait(self) -> None:
        """Lend the stream to a receiver that has nobody else to hear, until it can be read or it is called away; then
        it takes a turn."""
        if self._held:
            if self._connection.decoder.allowance > 0:
                self.turn(READ)
            # Whatever came may be of no use to the receiver, such as what a SUB did not subscribe to: then it asks
            # again at once, and other tasks are to have their turns before that.
            await trio.lowlevel.checkpoint()
            return
        self._lent = True
        self._set_wanted()
        try:
            await self._stream.wait_receivable()
        except trio.ClosedResourceError:
            pass  # our end, or called away: whoever waited will see
        except BaseException:
            self._lent = False
            self._set_wanted()
            raise
        self._lent = False
        self.turn(READ)

    def call_away(self) -> None:
        """There is something else for the receiver that waits here."""
        if self._lent:
            self._stream.call_away()

    @property
    def can_be_waited_for(self) -> bool:
        return self._held or self._may_read

    # --------------------------------------------------------------------------------------------------- signs of life

    def _hear_ping(self, ping: Ping) -> None:
        now = trio.current_time()
        if not self._asks and self._options.heartbeat_ivl:  # a peer of ZMTP 3.0 that knows PING after all
            self._begin_to_ask()
        elif self._heart is None:
            self._heart = Heartbeat(now=now)
        assert self._heart is not None
        self._heart.heard_ping(ping.ttl / 10, now)
        self._set_alarm()

    def _begin_to_ask(self) -> None:
        self._asks = True
        interval, timeout = self._options.heartbeat_ivl / 1000, self._options.heartbeat_timeout / 1000
        if not timeout:
            timeout = NEVER  # as in libzmq: ask, and do not judge
        self._heart = Heartbeat(interval, timeout if timeout > 0 else interval, trio.current_time())
        self._set_alarm()

    def _set_alarm(self) -> None:
        """To be called when the heart has something to do next; while we stand still, in the peer's rhythm."""
        assert self._heart is not None
        if self._full:
            now = trio.current_time()
            due = now + max(self._heart.rhythm(), self._reactor.standing * PONG_PAUSE)
            if due - now > TICK:
                due -= due % TICK  # those of many connections fall together, because to wake up costs most
        else:
            due = self._heart.due()
        # An alarm that comes too early does no harm, because it sets the next: so not every PING has to change it.
        if due < self._alarm_at:
            self._cancel_alarm()
            self._alarm, self._alarm_at = self._reactor.call_at(due, self._beat), due

    def _cancel_alarm(self) -> None:
        self._reactor.cancel(self._alarm)
        self._alarm, self._alarm_at = 0, NEVER

    def _beat(self) -> None:
        assert self._heart is not None
        self._alarm, self._alarm_at = 0, NEVER
        now = trio.current_time()
        try:
            if self._full:
                if not self._outbox.size:  # or else what is on its way is sign enough
                    self._say(Pong(b""))
            elif self._heart.due() <= now:
                if self._moves():
                    self._heart.moved(now)
                is_first = not self._heart.is_asking
                if self._heart.beat(now) and self._gone >= self._ping_end:  # one on its way is enough
                    self._ask(is_first)
            self._set_alarm()
        except Silence as silence:
            self.stop(Disconnected(errno.ETIMEDOUT, str(silence)))

    def _ask(self, is_first: bool) -> None:
        """Send a PING. is_first: the oldest that is not answered is this one."""
        outbox = self._outbox
        is_idle = not outbox.size and self._stream.in_flight() < LITTLE
        self._say(Ping(min(self._options.heartbeat_ttl // 100, LARGEST_TTL), b""))
        if is_first:
            self._ping_end = outbox.sent + outbox.size
            if is_idle and not outbox.size:
                self._gone = self._ping_end  # nothing is in its way

    def _moves(self) -> bool:
        """Since the last call, has anything left for the peer, while the PING that is not answered yet, or something
        else of ours, waited for that?

        Only then is it a sign of life that octets leave. A system takes some megabytes for a peer that is long dead,
        and a peer's system confirms them for a program that hangs.
        """
        before, gone = self._gone, self._outbox.sent - self._stream.in_flight()
        self._gone = max(before, gone)
        return gone > before and (before < self._ping_end or self._outbox.size > 0)

    # --------------------------------------------------------------------------------------------------------- writing

    def speak(self) -> None:
        """Send what the protocol itself has to say."""
        if self._connection.has_to_say:
            self._put_in(self._connection.data_to_send())

    def _say(self, word: Ping | Pong) -> None:
        self._put_in(self._connection.send(word))
        self._set_wanted()

    def _put_in(self, octets: bytes) -> None:
        self._outbox.put(octets, owed=True)
        self._outbox.offer()
        if self._pipe is not None and self._pipe.outbound:
            self._want_soon()  # it may have waited for what the system has taken just now

    def _flush(self) -> None:
        """Something was queued."""
        assert self._pipe is not None
        if self._writing or self._prompt:
            self._prompt = False
            self._empty()
            if self._outbox.size:
                self._set_wanted()
        else:
            self._pipe.outbound.notify_at(self._half)
            self._want_soon()

    def _want_soon(self) -> None:
        if not self._writing:
            self._writing = True
            self._reactor.want_soon(self.turn)

    def _write(self) -> None:
        """The turn that was asked for."""
        self._writing = False
        if self._pipe is None:
            self._outbox.offer()
        else:
            self._pipe.outbound.notify_at(1)
            # After one message the next may go at once again; after several there will be more.
            self._prompt = len(self._pipe.outbound) <= 1
            self._empty()

    def _empty(self) -> None:
        """Write all that is queued, in as few writes as may be; what is left then waits for a turn."""
        assert self._pipe is not None
        queue, outbox = self._pipe.outbound, self._outbox
        for _ in range(WRITES):
            outbox.fill(queue)
            outbox.offer()
            if outbox.size:
                return
            if not queue:
                self._session.drained()
                return
        self._want_soon()
