"""Sockets: what a program holds. Messages, and waiting for them; no module here sees an octet of ZMTP.

    monitor      what happens to a socket's connections, as events
    links        bind, connect, close, and the peers of a socket
    waiters      how a task waits for a socket, and which task is woken when
    changes      waiting for any change of one or several sockets
    sender       messages that cannot be sent in one step, and batches
    socket       send, recv and their relatives
    drafts       the same for draft types, whose frames have an address
    zap          the question whether a peer may come in
    context      the owner of all sockets and all tasks
    poller       waiting for several sockets at once
    proxy        two sockets joined

Read them in this order.
"""
