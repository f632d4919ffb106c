"""F1, F2, F3 over streams: killed and cut off at random moments, nothing that was confirmed is lost, doubled, or taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.dose import rounds, seed
from tests.crash.stream_campaign import StreamCampaign
from tests.powerfail.shim import Disk
from tests.server import Server

pytestmark = pytest.mark.long


@pytest.fixture
def streams(server: Server) -> Iterator[StreamCampaign]:
    """Traffic over streams on a plain server."""
    campaign = StreamCampaign(server, seed())
    yield campaign
    campaign.release()


@pytest.fixture
def disk_streams(disk: Disk) -> Iterator[StreamCampaign]:
    """Traffic over streams on a server whose disk the test controls."""
    with Server(disk.live, environment=disk.environment) as server:
        campaign = StreamCampaign(server, seed(), disk=disk)
        yield campaign
        campaign.release()


def test_kill_9_takes_nothing_from_a_stream(streams: StreamCampaign) -> None:
    streams.open()
    for _ in range(rounds(2, 60)):
        streams.traffic()
        streams.kill()
        streams.restart()
    streams.traffic()
    streams.close()


def test_power_cuts_take_nothing_from_a_stream(disk_streams: StreamCampaign) -> None:
    """Clean and torn ones in turn."""
    disk_streams.open()
    for number in range(rounds(2, 120)):
        disk_streams.traffic()
        disk_streams.cut_power(disk_streams.dice.choice([0.1, 0.5, 0.9]) if number % 2 else 0)
        disk_streams.restart()
    disk_streams.traffic()
    disk_streams.close()
