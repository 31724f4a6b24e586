"""The demo: how is an asynchronous HTTP request different from sending a message with ZeroMQ?

    python -m minizmtp.demo                 the answer on one screen
    python -m minizmtp.demo --all           the whole tour, about ten seconds
    python -m minizmtp.demo bytes pubsub    some parts of it
    python -m minizmtp.demo --list          which parts there are
    python -m minizmtp.demo --html FILE     the whole tour, also as a page that is complete in one file
    python -m minizmtp.demo --live          a page in which your browser is a ZeroMQ peer

Both protocols do the same work side by side, on real sockets, in this one process. What is printed is what was measured
or recorded a moment before, and each sentence with a tick is a *claim*: it was checked just then.

    __main__      the command line
    live          a page that shows what a browser and the sockets say to each other, as they say it
    page          blocks as a page; `plots` draws what is in it
    tour          the list of parts, and how they are run
    ┌ every_byte  `bytes`       one request and one reply, each octet shown and named
    │ waiting     `waiting`     many requests in flight
    │ pubsub      `pubsub`      news for all subscribers, compared with polling
    │ patterns    `patterns`    pipeline, dispatch (`dispatch`), actors; and the bill
    │ transports  `transports`  the same code over tcp, ipc and inproc
    │ first       `first`       connect before bind, and a peer that dies and comes back
    │ many        `many`        ZeroMQ's Poller, and trio's nursery
    │ wrong       `wrong`       the slow joiner, the stuck REQ, the high-water mark that seems too high
    │ numbers     `numbers`     round trip, rate, requests in flight
    │ libzmq      `libzmq`      the same conversations with libzmq
    └ meet        `meet`        an HTTP request that becomes a ZeroMQ connection
    ends          helpers: a server, a relay to it, a publisher that waits for its subscribers
    relay         a relay that records what passes
    stage         where parts print text and make claims
    terminal      the output as text
    blocks        the output as data

Nothing in the library needs this package. Read next: `blocks`, or a part that you are curious about.
"""
