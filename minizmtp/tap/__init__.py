"""The tap: listens to what two programs say to each other, and says what it means.

    python -m minizmtp.tap tcp://127.0.0.1:5555 ipc:///run/app.sock

    client ── tcp or ipc ──► tap ── tcp or ipc ──► server       any two that speak ZMTP, or HTTP
                              │
                              ▼
               a terminal, HTML, JSON, Wireshark

    __main__      the command line
    relay         octets pass, unchanged and in order
    pcap          … as Wireshark would have seen them
    show          … as lines of text
    screen        … on a terminal that may be slower than they are
    conversation  … kept, and written as JSON
    page          … as HTML
    ear           what is heard of one connection, and handed to these
    watch         who hears, and when

It needs no rights that a program would not have anyway: the client connects to it instead of to the server. Nothing in
the library needs this package. Read next: `relay`, or `watch`, where all comes together.
"""
