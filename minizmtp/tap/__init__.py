"""The tap: relays a connection between two programs, and annotates every octet.

    python -m minizmtp.tap tcp://127.0.0.1:5555 ipc:///run/app.sock

    client ── tcp, ipc, ws ──► tap ── tcp, ipc, ws ──► server       any two that speak ZMTP, or HTTP
                               │
                               ▼
                a terminal, HTML, JSON, Wireshark

    __main__      the command line
    relay         passes octets on, unchanged and in order
    pcap          writes them as a capture for Wireshark
    show          formats spans as lines of text
    screen        writes these lines to a terminal, which may be slow
    conversation  keeps a connection, and writes it as JSON
    page          writes it as HTML
    ear           annotates one connection, and feeds the modules above
    watch         decides what is annotated, and when

It needs no special privileges, because the client connects to the tap instead of to the server. Nothing in the library
depends on this package. Read next: `relay`, or `watch`, which connects the parts.
"""
