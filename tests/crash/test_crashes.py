"""F1, F2, F3: the process is killed, the power is cut, at random moments under traffic. Nothing that was confirmed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.campaign import Campaign, rounds, seed
from tests.crash.checkers import complaints
from tests.powerfail.shim import Disk
from tests.server import Server

BLIND_ROUNDS = 8


def test_kill_9_loses_nothing_and_repeats_nothing(campaign: Campaign) -> None:
    campaign.open()
    for _ in range(rounds(2, 60)):
        campaign.traffic()
        campaign.kill()
        campaign.restart()
    campaign.traffic()
    campaign.close()


@pytest.mark.parametrize("torn", [False, True], ids=["clean", "torn"])
def test_a_power_cut_loses_nothing_and_repeats_nothing(disk_campaign: Campaign, torn: bool) -> None:
    disk_campaign.open()
    for _ in range(rounds(2, 60)):
        disk_campaign.traffic()
        disk_campaign.cut_power(disk_campaign.dice.choice([0.1, 0.5, 0.9]) if torn else 0)
        disk_campaign.restart()
    disk_campaign.traffic()
    disk_campaign.close()


def test_the_power_cuts_find_the_loss_when_commits_are_not_synced(powerfail_library: Path, tmp_path: Path) -> None:
    """The tier's own proof: with synchronous=NORMAL the same traffic, cut the same way, must lose confirmed messages."""
    for attempt in range(BLIND_ROUNDS):
        disk = Disk.make(powerfail_library, tmp_path / str(attempt))
        environment = {**disk.environment, "BROKERWEB_TEST_SYNCHRONOUS": "NORMAL"}
        with Server(disk.live, environment=environment) as server:
            if _loses(Campaign(server, seed(), disk=disk)):
                return
    pytest.fail(f"blind: {BLIND_ROUNDS} power cuts without a sync at commit, and no confirmed message lost")


def _loses(campaign: Campaign) -> bool:
    """Whether a power cut under traffic loses messages, or brings acknowledged ones back."""
    campaign.open()
    campaign.traffic()
    campaign.cut_power(0)
    campaign.server.start()
    campaign.declare()
    campaign.dismiss()
    campaign.drain()
    return bool(complaints(campaign.history))
