"""NULL: a word of introduction from each side (37/ZMTP, "The NULL Security Mechanism")."""

import pytest

from minizmtp.errors import ProtocolError, Violation
from minizmtp.wire.events import Ready
from minizmtp.wire.mechanisms import Null
from tests.zmtp_bytes import READY


@pytest.mark.requirement("37-28", "37-29", "37-30", "37-40")
def test_null_opens_with_ready_whichever_side_it_is_on() -> None:
    """In the RFC the connecting side sends first. In libzmq both sides do, so they never wait for each other."""
    assert Null().open({b"Socket-Type": b"REQ", b"Identity": b""}) == [READY["REQ"][2:]]
    assert Null().open({b"Socket-Type": b"REP"}) == [READY["REP"][2:]]


@pytest.mark.requirement("37-31", "37-32", "37-40")
def test_the_peers_ready_satisfies_null() -> None:
    assert Null().receive(b"READY", READY["REP"][8:]) == [Ready({b"socket-type": b"REP"})]


@pytest.mark.requirement("37-31", "37-38")
def test_a_malformed_ready_is_refused() -> None:
    with pytest.raises(ProtocolError, match="property") as caught:
        Null().receive(b"READY", READY["REP"][8:-1])
    assert caught.value.violation is Violation.INVALID_METADATA


@pytest.mark.requirement("37-16", "37-66")
@pytest.mark.parametrize("name", [b"HELLO", b"WELCOME", b"INITIATE", b"PING", b"PONG", b"SUBSCRIBE", b"ready", b"x"])
def test_any_other_command_is_refused(name: bytes) -> None:
    with pytest.raises(ProtocolError, match=f"command {name.decode()} in the handshake") as caught:
        Null().receive(name, b"")
    assert caught.value.violation is Violation.UNEXPECTED_COMMAND
