"""The engine, on one page: how a connection carries messages. The only layer that performs I/O.

    socket ──offer─► outbound queue ──► Writer ──► Connection.encode ─────► the system ──► peer
    socket ◄──take── inbound queue ◄── Engine ◄── Connection.next_event ◄── the system ◄── peer
                                         ▲
                     Reactor: one task for all connections of a Context, which waits for their files and timers

**No connection has a task.** The reactor waits until the system can read from or write to some file, and calls the
engine of that file. An engine never waits: what it cannot do now, it does when the reactor or a queue calls it again.

**Reading.** The engine reads a chunk, gives it to the Connection (see `wire`), and asks for events. Messages go to the
inbound queue, SUBSCRIBE and CANCEL to the pattern, and a PING is answered before the messages that wait. When the
inbound queue is full, the engine stops reading. Then the system's buffer fills, TCP stops the peer, and the peer's
outbound queue fills: this back-pressure is what a high-water mark is for. Each time an engine is called, it does a
bounded amount of work and returns, because a peer that floods us must not keep the others waiting.

**Writing.** When a message comes into an empty outbound queue, the writer is called, and encodes and sends it inside
the program's `send`, if the system takes it. Otherwise messages wait in the queue until the system has room, and then
as many as fill 64 KiB leave in one call. If the connection breaks, messages that left wholly may be lost. A message of
which only a part has left goes back into the queue, and so do all behind it.

**Ending.** An error ends the connection in which it occurs, and no other. The engine stops and tells its session, which
keeps the pipe and dials again, or drops it.

    endpoints, addresses, transports, parting, tls  tcp://, ipc://, ws:// and wss:// become streams of octets
    looking, runlimits, reactor, portable  which connection runs next, and for how long
    states, writer, heartbeat, pulse       two tables of states; one direction; signs of life
    engine                                 all of these together
    security, advice, reports              the mechanism, and what the program is told
    link, session, connector, acceptor     the life of a connection, from both ends
    inproc, runtime                        two sockets without a connection; what a Context owns

Try it: in `net.engine.Engine._receive`, write `1000` for `inbound.room()`. A PULL whose program never receives then
takes all that a PUSH sends, and the PUSH never waits. Read next: `session`.
"""
