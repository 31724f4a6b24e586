"""The demo: how is an asynchronous HTTP request different from sending a message with ZeroMQ?

    python -m minizmtp.demo                 the whole tour, some seven seconds
    python -m minizmtp.demo bytes pubsub    some parts of it
    python -m minizmtp.demo --list          which parts there are
    python -m minizmtp.demo --html FILE     the same as a page as well, complete in one file

Both protocols do the same work side by side, on real sockets, in this one process. What is printed is what was measured
or recorded a moment before, and each sentence with a tick is a *claim*: it was checked just then.

    __main__      the command line
    page          blocks as a page; `plots` draws what is in it
    tour          which parts there are, and how they are run
    ┌ every_byte  `bytes`       one request and one reply, each octet shown and named
    │ waiting     `waiting`     many requests in flight, and their rendezvous
    │ pubsub      `pubsub`      news to all who asked for them, against polling
    │ patterns    `patterns`    pipeline, dispatch (`dispatch`), actors; and the bill
    │ transports  `transports`  the same code over tcp, ipc and inproc
    │ first       `first`       connect before bind, and a peer that dies and comes back
    │ many        `many`        ZeroMQ's Poller, and trio's nursery
    │ wrong       `wrong`       the slow joiner, the stuck REQ, the mark that seems not to hold
    │ numbers     `numbers`     round trip, rate, requests in flight
    └ libzmq      `libzmq`      the same conversations with the real thing
    ends          a server, a relay on the way to it, a publisher's call
    relay         a wire that writes down what passes
    stage         what is said, and what is claimed
    terminal      what is said, as text
    blocks        what is said, as data

Nothing in the library needs this package. Read next: `blocks`, or a part that you are curious about.
"""
