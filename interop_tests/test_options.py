"""Options that libzmq accepts although they have no effect or do harm: ours warns or refuses."""

import errno
import logging

import pytest

from interop_tests.world import Refused, World

pytestmark = [pytest.mark.over("tcp"), pytest.mark.pairs("ours-libzmq")]


@pytest.mark.differs("option without effect")
@pytest.mark.requirement("28-24")
async def test_an_option_that_does_nothing_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """libzmq accepts it silently."""
    await (await world.client.socket("ROUTER", conflate=1)).bind("tcp://127.0.0.1:*")
    with caplog.at_level(logging.WARNING, logger="minizmtp"):
        await (await world.server.socket("ROUTER", conflate=1)).bind("inproc://idle")
    assert [record.getMessage() for record in caplog.records] == [
        "inproc://idle: conflate has no effect on a ROUTER",
    ]


@pytest.mark.differs("keepalive that the system refuses")
@pytest.mark.requirement("37-52")
async def test_a_keepalive_that_the_system_refuses_is_refused(world: World) -> None:
    await (await world.client.socket("PULL", tcp_keepalive=1, tcp_keepalive_cnt=200)).bind("tcp://127.0.0.1:*")
    with pytest.raises(Refused, match="or 1 to 127") as caught:
        await world.server.socket("PULL", tcp_keepalive=1, tcp_keepalive_cnt=200)
    assert caught.value.errno == errno.EINVAL
