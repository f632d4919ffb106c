"""F1, F2, F3 where things go: ttl, retention, compaction, redrives and purges, cut off in the middle, take what is theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.dose import rounds, seed
from tests.crash.removal_campaign import RemovalCampaign
from tests.powerfail.shim import Disk
from tests.server import Server

pytestmark = pytest.mark.long


@pytest.fixture
def removals(server: Server) -> Iterator[RemovalCampaign]:
    """Traffic on a plain server."""
    campaign = RemovalCampaign(server, seed())
    yield campaign
    campaign.release()


@pytest.fixture
def disk_removals(disk: Disk) -> Iterator[RemovalCampaign]:
    """Traffic on a server whose disk the test controls."""
    with Server(disk.live, environment=disk.environment) as server:
        campaign = RemovalCampaign(server, seed(), disk=disk)
        yield campaign
        campaign.release()


def test_kill_9_takes_no_more_than_was_to_go_and_repeats_no_removal(removals: RemovalCampaign) -> None:
    removals.open()
    for _ in range(rounds(1, 60)):
        removals.traffic()
        removals.kill()
        removals.restart()
    removals.traffic()
    removals.close()


def test_power_cuts_take_no_more_than_was_to_go(disk_removals: RemovalCampaign) -> None:
    """Clean and torn ones in turn."""
    disk_removals.open()
    for number in range(rounds(1, 60)):
        disk_removals.traffic()
        disk_removals.cut_power(disk_removals.dice.choice([0.1, 0.5, 0.9]) if number % 2 else 0)
        disk_removals.restart()
    disk_removals.traffic()
    disk_removals.close()
