"""The cable between two hosts is cut: for a while, and for good."""

from pathlib import Path

import pytest
import trio

from .stage import HEARTBEATS, NOTICED, RECONNECTED, B, check_losses, stage

NO_HEARTBEATS = {"sndhwm": 100_000}  # so that a PUB drops nothing because its queue is full


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seconds", [1, 5, 30])
async def test_without_heartbeats_a_cut_delays_all_and_loses_none(tmp_path: Path, seconds: float) -> None:
    """TCP sends again what it has not seen acknowledged, later and later: after a cut of 30 s up to 26 s later."""
    async with stage(tmp_path, NO_HEARTBEATS) as play:
        await play.net.cut_for(seconds)
        await play.until_all_flow(2 * seconds + 5)
        for name, one in (await play.finish(2 * seconds + 5)).items():
            if not name.startswith("REQ"):  # a REQ asks the next question after a second, and skips the late reply
                assert one.lost() == [], name
            assert (one.twice(), one.strands()) == ([], 1), name


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seconds", [5, 30])
async def test_with_heartbeats_a_cut_is_noticed_and_mended(tmp_path: Path, seconds: float) -> None:
    async with stage(tmp_path, HEARTBEATS) as play:
        await play.until_all_flow(5)
        await play.net.cut_for(seconds)
        await play.until_all_flow(RECONNECTED + 3)
        check_losses(await play.finish(8))


async def test_with_heartbeats_a_cut_of_a_second_loses_nothing(tmp_path: Path) -> None:
    """Because it ends before heartbeat_timeout."""
    async with stage(tmp_path, {**NO_HEARTBEATS, "heartbeat_ivl": 500, "heartbeat_timeout": 5000}) as play:
        await play.net.cut_for(1)
        await play.until_all_flow(5)
        for name, one in (await play.finish(5)).items():
            if not name.startswith("REQ"):
                assert one.lost() == [], name
            assert (one.twice(), one.strands()) == ([], 1), name


@pytest.mark.parametrize("options", [HEARTBEATS, NO_HEARTBEATS], ids=["heartbeats", "no heartbeats"])
async def test_a_cable_that_stays_cut_keeps_no_program_from_ending(tmp_path: Path, options: dict[str, int]) -> None:
    """A close waits for what is queued, for linger and no longer."""
    async with stage(tmp_path, options) as play:
        play.net.weather.cut = True
        await trio.sleep(NOTICED + 1)
        await play.stop_sending()
        await play.close(seconds=1 + 3)


@pytest.mark.timeout(120)
async def test_a_bad_line_delays_but_loses_nothing(tmp_path: Path) -> None:
    """5 % of the packets are lost, all take 50 ms, some overtake others, and the wire carries 64 KiB a second."""
    async with stage(tmp_path, HEARTBEATS | NO_HEARTBEATS | {"heartbeat_timeout": 10_000}, rate=4) as play:
        weather = play.net.weather
        weather.loss, weather.delay, weather.reorder, weather.rate = 0.05, 0.05, 0.05, 64 * 1024
        await trio.sleep(15)
        assert all(wire.lost > 20 for wire in play.net.wires)
        weather.loss = 0
        for name, one in (await play.finish(20)).items():
            if not name.startswith("REQ"):
                assert one.lost() == [], name
            assert (one.twice(), one.strands()) == ([], 1), name


@pytest.mark.timeout(120)
async def test_a_host_without_power_comes_back(tmp_path: Path) -> None:
    """No FIN, no RST: only silence, and then a host that knows nothing of the old connections."""
    async with stage(tmp_path, HEARTBEATS) as play:
        play.net.weather.cut = True
        await play.kill(B)
        await trio.sleep(4)
        play.net.weather.cut = False
        await play.start_host(B)
        await play.until_all_flow(RECONNECTED + 3)
        check_losses(await play.finish(8))
