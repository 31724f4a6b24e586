"""The proof that minizmtp talks to real libzmq.

One scenario, four pairs. A test is one conversation between a *server*, the side that binds, and a *client*,
the side that connects. Each side is either `ours` (minizmtp) or `libzmq`, which gives four pairs, and the
conversation is the same over each transport:

    server-client-transport       what a failure says
    ours-libzmq-tcp               we are wrong, or libzmq expects something that no RFC tells
    libzmq-ours-ipc               the same, from the connecting side
    ours-ours-tcp                 we are at least wrong in the same way at both ends
    libzmq-libzmq-tcp             the *control*: the test itself is wrong

Both sides look alike to a test (`world.Peer`: bind, connect, send_multipart, recv_multipart, wait_event, …),
so that a scenario does not know which library it uses.

    packets            how the test process talks with its libzmq processes
    libzmq_process     the child: libzmq's sockets, driven through its standard input and output
    libzmq             the parent's side of that: a libzmq socket with the interface of `Peer`
    ours               a minizmtp socket with the same interface
    world              Peer, the two sides, the endpoints they meet at
    raw                no ZeroMQ at all: a TCP stream that plays bytes, and a wiretap that records them
    record             the wire stories, which it tells to the relay of the demo: see minizmtp.trace.story
    vectors            what libzmq 4.3.5 puts on the wire, octet by octet
    report             docs/INTEROP.md, made of the pairings that pass; and where we differ from libzmq on purpose
    test_*             a file or two per RFC: 28, 29, 30, 31, the life of connections, and 37

Read next: `test_reqrep`, then `world`.
"""
