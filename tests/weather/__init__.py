"""Weather: what bad networks do to connections, between two hosts that the tests make themselves.

    python -m pytest tests/weather          # about ten minutes; Linux, as root

    network     two network namespaces, and a relay that cuts, delays, loses, reorders and throttles packets
    stage       all conversations at once: each pattern, pair of libraries and mechanism
    node        a program on one host: conversations of numbered messages, on minizmtp or on libzmq
    account     what was sent, what arrived, and which losses the documented rules allow
    test_*      the scenarios

These tests are not part of a plain `pytest`, because they take real seconds on a real clock. Twins of the same stories
on a virtual clock are in `tests/minizmtp` (test_session, test_heartbeat, test_lifecycle).
"""
