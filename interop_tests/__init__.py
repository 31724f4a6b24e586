"""Tests of minizmtp against real libzmq.

A test is one conversation between a *server*, the side that binds, and a *client*, the side that connects. Each side
is either `ours` (minizmtp) or `libzmq`, so each test runs with four pairs, over each transport:

    server-client-transport       what a failure means
    ours-libzmq-tcp               we are wrong, or libzmq expects something that no RFC requires
    libzmq-ours-ipc               the same, but we connect
    ours-ours-tcp                 both of our ends are wrong
    libzmq-libzmq-tcp             the *control*: the test itself is wrong

Both sides have the same interface (`world.Peer`: bind, connect, send_multipart, recv_multipart, wait_event, …), so a
test doesn't depend on which library it uses.

    packets            the format of messages between the test process and its libzmq processes
    libzmq_process     the child process: libzmq sockets, controlled through standard input and output
    libzmq             the parent's side: a libzmq socket with the interface of `Peer`
    ours               a minizmtp socket with the same interface
    world              Peer, the two sides, and the endpoints at which they connect
    raw                no ZeroMQ: a TCP stream that sends given octets, and a wiretap that records a connection
    record             records the wire stories of minizmtp.trace.story
    vectors            what libzmq 4.3.5 sends, octet by octet
    report             writes docs/INTEROP.md: the pairings that pass, and where we differ from libzmq on purpose
    test_*             one or two files per RFC (28, 29, 30, 31 and 37), and the life of connections

Read next: `test_reqrep`, then `world`.
"""
