"""Connections: from an endpoint's text to a peer that exchanges messages. The only layer that performs I/O.

    endpoints    tcp://, ipc:// and inproc:// as text
    addresses    what the host of a tcp endpoint means on this machine
    transports   non-blocking streams and listeners
    looking      a moment of polling before a task blocks
    runlimits    how much one connection may do before others have their turns
    reactor      one task watches the files of all connections, and keeps their timers
    portable     the same with a task for each connection, on any system
    states       what a connection does with the next octets and the next message, as two tables
    writer       when a queued message leaves, and how many leave together
    heartbeat    when to ask a peer whether it is alive, and when to give up
    pulse        PINGs and PONGs of one connection
    engine       one connection at work
    security     the mechanism that the options ask for
    advice       what to look at when a connection fails
    reports      what the program is told when a connection ends
    session      the life of one connection, and what is left when it dies
    connector    dial, pause, dial again
    acceptor     a bound endpoint, and the peers that connect to it
    inproc       two sockets of one process, without a connection
    runtime      the nursery, the reactor and the inproc names that all sockets of a Context share

Read them in this order.
"""
