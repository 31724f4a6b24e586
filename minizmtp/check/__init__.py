"""A check of any ZMTP implementation: `python -m minizmtp.check ENDPOINT`.

    octets      right and wrong octets
    boxes       CURVE by hand
    peer        the peer that a check plays
    web         the same over WebSocket
    program     drivers: programs that use the stack under test and do as they are told
    driver      the driver of our own sockets
    case        what a case is
    greeting framing commands null heartbeat reqrep pubsub pipeline dialling plain curve websocket
                the cases, by group
    target      where the socket under test is
    run         all cases, each bounded
    scenarios   whole conversations between two stacks
    matrix      every scenario, in each role
    report      text, JSON and JUnit
    page        HTML
    __main__    the command line

The numbers of the cases are those of docs/REQUIREMENTS.md. Read the modules in this order.
"""
