"""F1, F2, F3: the process is killed, the power is cut, at random moments under traffic. Nothing that was confirmed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import books
from tests.crash.campaign import Campaign
from tests.crash.dose import rounds
from tests.powerfail.shim import Disk
from tests.server import Server

pytestmark = pytest.mark.long

BLIND_ROUNDS, BATCHES, BATCH = 3, 20, 10


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
    """The tier's own proof: with synchronous=NORMAL a broker that is cut the same way must lose confirmed messages."""
    attempts = range(BLIND_ROUNDS)

    assert any(_lost(powerfail_library, tmp_path / str(n), "NORMAL") for n in attempts), (
        f"blind: {BLIND_ROUNDS} power cuts without a sync at commit, and no confirmed message lost"
    )
    assert _lost(powerfail_library, tmp_path / "full", "FULL") == 0


def _lost(library: Path, folder: Path, synchronous: str) -> int:
    """How many of the messages that a broker confirmed are not in its file after a power cut."""
    disk = Disk.make(library, folder)
    environment = {**disk.environment, "BROKERWEB_TEST_SYNCHRONOUS": synchronous}
    with Server(disk.live, environment=environment).start() as server:
        with server.rest() as rest:
            rest.declare("orders")
            for _ in range(BATCHES):
                rest.publish("orders", *({"body": n} for n in range(BATCH)))
        server.kill()
    disk.cut_power(keep=0, seed=0)
    return BATCHES * BATCH - books.stored(disk.live)
