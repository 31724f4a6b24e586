"""Connections at work: the engine, on one page.                        DESIGN

    socket ──offer─► outbound queue ──► Writer ──► Connection.encode ─────► the system ──► peer
    socket ◄──take── inbound queue ◄── Engine ◄── Connection.next_event ◄── the system ◄── peer
                                         ▲
                     Reactor: one task for all connections of a Context, which waits for their files and timers

**No connection has a task.** The reactor waits until the system can read from or write to some file, and calls the engine
of that file. An engine never waits: what it cannot do now, it does when the reactor or a queue calls it again.

**Reading.** The engine reads a chunk, gives it to the Connection (see `wire`), and asks for events. Messages go to the
inbound queue, SUBSCRIBE and CANCEL to the pattern, and a PING is answered before the messages that wait. When the inbound
queue is full, the engine stops reading. The system's buffer fills, TCP stops the peer, and its queues fill in turn: this
is the back-pressure that a high-water mark exists for. A run ends after a bounded amount of work, so a peer that floods
us does not keep the others waiting.

**Writing.** The first message that comes into an empty outbound queue calls the writer, which encodes and sends it inside
the program's `send`, if the system takes it. If not, messages wait in the queue until the system has room. Then as many
as fill 64 KiB are encoded and leave in one call. What the system has taken is out of our hands: if the connection
breaks, it is lost, and everything behind it is put back into the queue, whole messages only.

**Ending.** An error ends the connection in which it occurs, and no other. The engine stops and tells its `session`, which
keeps the pipe and dials again, or drops it.

The chapters, in their order:

    endpoints, addresses, transports       tcp:// and ipc:// become streams of octets
    looking, runlimits, reactor, portable  when whose turn it is
    states, writer, heartbeat, pulse       one direction, one timer, two tables of states
    engine                                 all of these together
    security, advice, reports              the mechanism, and what the program is told
    session, connector, acceptor           the life of a connection, from both ends
    inproc, runtime                        no connection at all; and what a Context owns

Read next: `session`.
"""
