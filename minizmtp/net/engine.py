"""The engine: one connection at work. It holds both a stream and a `Connection`, and reads; its `writer` writes.

                                               ┌─ Connection ─┐
    stream ──try_receive_into()───────────────►│              │──► next_event ──► pipe.inbound ──► socket
    stream ◄──try_send()───── writer ◄─────────│    encode    │◄──────────────── pipe.outbound ◄── socket
                                 ▲             └──────────────┘
                                 └── data_to_send: greeting, READY, PONG

It has no task. The `reactor` calls `run_once` when the stream can be read or written, or when it was asked to. That is
a plain function: read what has come, make events of it, put the messages into the pipe; or have the writer write.
Nothing in it waits, so a cancellation cannot leave anything half-done.

**Back-pressure.** When the pipe's inbound queue is full, the engine reads no more (see `states`). It does not read
either while octets are left that are not decoded: a run has an end, whatever the peer sends (see `runlimits`), and the
next run goes on after other tasks and other connections had theirs.

Read next: `security`, or `session` at once.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ..errors import ProtocolError, Refused, printable
from ..options import Options
from ..patterns.pipe import Pipe, Source
from ..wire import (
    NEED_DATA,
    AuthReply,
    AuthRequest,
    Cancel,
    Connection,
    ConnectionClosed,
    Error,
    Message,
    Messages,
    Ping,
    Pong,
    Ready,
    Subscribe,
)
from .pulse import Disconnected, Pulse
from .reactor import IDLE, READ, WRITE, Reactor
from .runlimits import MESSAGES, OCTETS, RunLimits
from .states import BLOCKED, CLOSED, END, FULL, GATHERING, NO_SPACE, OPEN, READING, RESUMING, RUN, SPACE, USED_UP
from .transports import READ_SIZE, Stream
from .writer import Writer

if TYPE_CHECKING:
    from .session import Session

# PONGs that a peer asks for and does not read: with more than so many octets of them unsent, its PINGs are not read.
MAX_UNSENT_REPLIES = 65536

# Beside READ and WRITE: go on with octets that were read before.
RESUME = 8


class Engine(Source):
    """stream: a fresh connection. connection: the protocol, nothing said yet. options: for the heartbeats and
    handshake_ivl."""

    __slots__ = (
        "__weakref__", "_alarm", "_connection", "_inspect", "_interest", "_limits", "_options", "_pipe", "_pulse",
        "_reactor", "_session", "_state", "_stream", "_writer",
    )  # fmt: skip

    def __init__(
        self, stream: Stream, connection: Connection, options: Options, reactor: Reactor, session: Session
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._options = options
        self._reactor = reactor
        self._session = session
        self._pipe: Pipe | None = None  # until the peer is ready
        self._inspect: Callable[[Message], None] | None = None
        self._pulse: Pulse | None = None  # until it is needed
        self._alarm = 0  # the reactor's number for the time at which the handshake has to be done
        self._writer = Writer(stream, connection, self)
        self._limits = RunLimits(reactor.runs)
        self._state = OPEN
        self._interest = 0  # what the reactor calls us for

    def start(self, octets: bytes = b"") -> None:
        """Begin with the greeting; the peer has handshake_ivl to be ready. octets: what has been read already."""
        if self._options.handshake_ivl:
            self._alarm = self._reactor.call_at(
                trio.current_time() + self._options.handshake_ivl / 1000, self._too_slow
            )
        if octets:
            self._connection.receive_data(octets)
            self._state = RESUMING  # because they are read, and not decoded
        # A quick peer may have spoken already: then our greeting and READY are one write.
        self.run_once(READ | RESUME)
        if self._state is not CLOSED:
            # The greeting, if it is not sent yet: we do not wait for the peer's, because it might wait for ours.
            self.send_protocol_output()
            self._set_interest()

    def _too_slow(self) -> None:
        # It may be the program that was slow, and not the peer, so what has come meanwhile counts.
        self.run_once(READ | RESUME)
        if self._pipe is None:
            reason = f"no handshake within {self._options.handshake_ivl} ms (handshake_ivl)"
            self.stop(Disconnected(errno.EAGAIN, reason))

    @property
    def unsent(self) -> bool:
        """Is there anything that the system has not taken yet?"""
        return self._writer.size > 0

    def tell_when_drained(self) -> None:
        """Call the session's on_drained, from now on, when all is sent. Only a session that lingers wants that, and a
        call at each send would cost all others."""
        self._writer.on_drained = self._session.on_drained

    @property
    def greeting_octets(self) -> int | None:
        """How many octets of the peer's greeting have come; None when all have."""
        return self._connection.greeting_octets

    def run_once(self, readiness: int) -> None:
        """Do what can be done now: READ, WRITE or both. Whatever goes wrong in it ends this connection, and no more."""
        if self._state is CLOSED:  # this run was asked for before the end
            return
        try:
            # While RESUMING, only the run that was asked for reads, because each run that reads may ask for one more.
            # Others come, too: to write, or because a selector always reports a peer that has hung up.
            if readiness & (RESUME if self._state is RESUMING else READ):
                self._read()
            if readiness & WRITE:  # after reading, because a PONG that it asks for leaves in the same write
                self._writer.run()
            self._set_interest()  # in here, because it raises OSError if the system has no files left
        except Exception as error:
            # Every error, also one of this library, because in the reactor's task it would end all connections.
            self.stop(error)

    def ask_for_run(self) -> None:
        """Have the writer's `run` called when the running task yields."""
        self._reactor.call_soon(self.run_once)

    def on_blocked(self) -> None:
        """The system has not taken all: have the writer's `run` called when it can take more."""
        self._set_interest()

    def end(self, why: str) -> None:
        self.stop(Disconnected(errno.ECONNABORTED, why))

    def stop(self, reason: Exception) -> None:
        """End the connection.

        What the writer has, and cannot have reached the peer whole, goes back to the pipe: the next connection of a
        pipe that outlives this one sends it. What the system has taken is not sent twice (37-54).
        """
        if self._state is CLOSED:
            return
        if isinstance(reason, ProtocolError) and self._pipe is None:
            # The ERROR that says why. Not in traffic, because a message may be half-way out, and the peer would take
            # the ERROR for a part of it.
            self.send_protocol_output()
        self._state = READING[self._state, END]  # first, because the rest calls us: the writer may be blocked again
        if self._pulse is not None:
            self._pulse.close()
        # Before the session closes the file, because the system gives its number to the next one that is opened.
        if self._interest:
            self._reactor.unwatch(self._stream.fileno)
        self._reactor.cancel(self._alarm)
        if self._pipe is not None:
            self._pipe.source = None
            self._pipe.inbound.set_writer()
        # Before the session hears of it, because that may give the pipe to the next connection.
        self._writer.close()
        self._session.on_closed(reason)

    def _set_interest(self) -> None:
        """Tell the reactor what we wait for."""
        state = self._state
        if state is OPEN:
            interest = READ
            if self._writer.protocol_bytes > MAX_UNSENT_REPLIES:
                interest = 0  # because a peer that sends PINGs and does not read would fill our memory with PONGs
            elif self._pipe is None and self._connection.awaiting_auth and self._connection.held:
                interest = 0  # of a peer that is not let in yet, no more is kept than one read
        elif state is CLOSED:
            return
        else:
            # A stream that is not read for a moment only stays in the selector, because to put it back costs more. If
            # the queue is full, it may be long, and a peer that has hung up would be reported again and again.
            interest = 0 if state is FULL else IDLE
        if self._writer.state is BLOCKED:
            interest = interest & READ | WRITE
        if interest != self._interest:
            if self._interest and interest:
                self._reactor.change_interest(self._stream.fileno, interest)
            elif interest:
                self._reactor.watch(self._stream.fileno, interest, self.run_once)
            else:
                self._reactor.unwatch(self._stream.fileno)
            self._interest = interest  # only now, because `watch` raises if no files are left

    # --------------------------------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        """Go on with what was read before, and read until there is no more, or the run has done enough."""
        connection, writer, limits = self._connection, self._writer, self._limits
        connection.decoder.allowance = work = limits.work
        reads = messages = octets = 0
        if resumes := self._state is RESUMING:
            self._state = READING[RESUMING, RUN]
            if self._pulse is not None:
                self._pulse.restart()
            messages = self._advance()
        while self._state is OPEN and connection.decoder.allowance > 0 and writer.protocol_bytes <= MAX_UNSENT_REPLIES:
            try:
                count = self._stream.try_receive_into(connection, limits.octets)
            except OSError as error:
                # Of another type, because an OSError is logged as a fault of this system, such as a lack of files.
                raise Disconnected(error.errno or errno.EIO, str(error.strerror)) from None
            if count is None:
                break
            reads += 1
            octets += count
            if (pipe := self._pipe) is not None:
                messages += self._receive(pipe)
            else:
                messages += self._advance()
            # A read that was not filled has emptied the system's buffer: to ask again would be a call in vain.
            if count < READ_SIZE or reads == limits.reads or messages >= MESSAGES or octets >= OCTETS:
                break
        if reads or resumes:
            if self._pulse is not None:
                self._pulse.heard(trio.current_time())
            if messages > 1 or writer.state is GATHERING:  # or else there is nothing that it would change
                writer.heard(messages)
            limits.note(work - connection.decoder.allowance, octets, trio.current_time)
        # If the queue is FULL instead, the program's next recv asks for the run.
        if connection.decoder.allowance <= 0 and self._state is OPEN:
            self._state = READING[OPEN, USED_UP]
            self._reactor.call_later(self._resume)

    def _advance(self) -> int:
        """Make events of what has come; how many messages there were."""
        messages = 0
        if (pipe := self._pipe) is None:
            self._shake_hands()
            # Most peers send nothing right behind READY.
            pipe = self._pipe if self._connection.held else None
        if pipe is not None:
            messages = self._receive(pipe)
        self.send_protocol_output()
        return messages

    def _shake_hands(self) -> None:
        """Until both sides are ready, or there is nothing more to read."""
        while self._pipe is None:
            event = self._connection.next_event()
            if event is NEED_DATA:
                return
            if isinstance(event, Ready):
                self.send_protocol_output()  # our own READY may still wait here: it goes before any message (37-33)
                self._session.on_ready(event)
            if isinstance(event, AuthRequest):
                self._session.on_auth_request(event)
            if isinstance(event, Error):
                # A status of ZAP, as libzmq sends (27/ZAP); any other text has no number for the monitors.
                status = int(event.reason) if event.reason in (b"300", b"400", b"500") else 0
                raise Refused(f"the peer refuses us: {printable(event.reason)}", status)
            if isinstance(event, ConnectionClosed):
                raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}")

    def on_auth_reply(self, reply: AuthReply) -> None:
        """The answer to the session's on_auth_request. Raises Refused if it is a no."""
        if self._state is not CLOSED:  # the peer may not have waited for the handler
            self._connection.receive_auth_reply(reply)
            self._state = RESUMING  # because what follows the credentials may have been read with them
            self.run_once(RESUME)

    def attach_pipe(self, pipe: Pipe, inspect: Callable[[Message], None] | None) -> None:
        """From now on carry messages between pipe and peer.

        inspect: if given, is shown each message that comes, and may raise ProtocolError.
        """
        self._reactor.cancel(self._alarm)  # the handshake was in time
        self._pipe = pipe
        self._inspect = inspect
        if self._options.heartbeat_old_peers:
            # libzmq since 4.2 answers PING although it speaks ZMTP 3.0. Its greeting is that of 4.1, which does not.
            self._connection.knows_ping = True
        if self._options.heartbeat_ivl and self._connection.knows_ping:
            self._need_pulse().ask()
        pipe.source = self
        self._writer.attach_queue(pipe.outbound)

    @property
    def heartbeats_off(self) -> bool:
        """Does heartbeat_ivl have no effect, because the peer is not known to understand a PING?"""
        asks = self._options.heartbeat_ivl and not self._options.heartbeat_old_peers
        return bool(asks) and not self._connection.knows_ping

    def _receive(self, pipe: Pipe) -> int:
        """Put the messages into the pipe, until all that was read is used up, or the queue is full, or the run has done
        enough; how many."""
        inbound, connection, inspect = pipe.inbound, self._connection, self._inspect
        count, has_to_answer = 0, False
        while True:
            room = inbound.room()
            if not room:
                self._pause_reading(pipe)
                break
            # Never more messages than there is room for, because the queue takes all that it is given.
            event = connection.next_event(room)
            if type(event) is Messages:
                if inspect is None:
                    inbound.put_all(event.messages)
                else:
                    # One by one, because each is delivered before the next may be refused.
                    for message in event.messages:
                        inspect([message] if isinstance(message, bytes) else message)
                        inbound.put(message)
                count += len(event.messages)
                if event.is_all:
                    break
            elif event is NEED_DATA:
                break
            # A message alone was no part of a batch, such as one that came in several reads. SUBSCRIBE and CANCEL go
            # into the same queue, because the pattern needs them in their order.
            elif isinstance(event, (list, Subscribe, Cancel)):
                if inspect is not None and isinstance(event, list):
                    inspect(event)
                inbound.put(event)
                count += 1
            elif isinstance(event, ConnectionClosed):
                raise Disconnected(errno.EPIPE, f"closed by the peer {event.where}".rstrip())
            elif isinstance(event, Ping):
                self._need_pulse().heard_ping(event)
                has_to_answer = True
        if has_to_answer:
            self.send_protocol_output()  # once, because one run may meet hundreds of PINGs
        return count

    def _resume(self, readiness: int) -> None:
        """The run that was asked for when the state became RESUMING."""
        if self._limits.is_sharing:
            self._reactor.poll()  # what the other connections have goes first
        self.run_once(readiness | RESUME)

    def _pause_reading(self, pipe: Pipe) -> None:
        """Until the socket has read some of what it has, nothing is read from the peer."""
        self._state = READING[self._state, NO_SPACE]
        pipe.inbound.set_writer(self._on_inbound_space)
        if self._connection.knows_ping:  # or else a PONG would do harm: to libzmq 4.1 it is a message
            self._need_pulse().pause()

    def _on_inbound_space(self) -> None:
        """The socket is just taking a message, so nothing may be put now (see `patterns.queue`): a run will resume."""
        self._state = READING[self._state, SPACE]
        if self._pulse is not None:
            self._pulse.resume()
        self._reactor.call_later(self._resume)

    # --------------------------------------------------------------------------------------------------------- writing

    def _need_pulse(self) -> Pulse:
        # Made when it is needed, because most of ten thousand idle connections never do.
        if self._pulse is None:
            self._pulse = Pulse(self._options, self._reactor, self._stream, self._writer, self)
        return self._pulse

    def send_protocol_output(self) -> None:
        """Send what the protocol itself has to say."""
        self._writer.send_protocol(self._connection.data_to_send())

    def send_command(self, command: Ping | Pong) -> None:
        self._writer.send_protocol(self._connection.send(command))
        self._set_interest()
