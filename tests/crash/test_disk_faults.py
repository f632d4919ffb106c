"""F7, F8: the disk is full, the disk fails to sync. No false confirmation, and a way back."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.clients import Refused, Rest
from tests.crash.campaign import Campaign
from tests.crash.dose import rounds
from tests.eventually import eventually
from tests.powerfail.shim import FSYNC_ERRNO, SPARE_LOG, WRITE_ERRNO, Disk
from tests.server import Server

pytestmark = pytest.mark.long

BULK, BULK_BYTES = 40, 1_000_000  # more log than any setting lets grow without a checkpoint


@contextmanager
def failing(disk: Disk, cell: int, number: int) -> Iterator[None]:
    """Every write, or every sync, fails with this errno for the length of the block."""
    disk.set(cell, number)
    try:
        yield
    finally:
        disk.set(cell, 0)


def _publish_fails(rest: Rest) -> Refused:
    with pytest.raises(Refused) as caught:
        rest.publish("plain", {"body": {"uid": "never", "poison": False, "pad": "", "digest": 0}})
    return caught.value


def test_a_full_disk_refuses_publishes_and_recovers_by_itself(disk_campaign: Campaign, disk: Disk) -> None:
    disk_campaign.open()
    for _ in range(rounds(1, 10)):
        disk_campaign.traffic()
        with failing(disk, WRITE_ERRNO, errno.ENOSPC), disk_campaign.server.rest() as rest:
            refused = _publish_fails(rest)
            assert (refused.status, refused.code) in {(507, "store_full"), (503, "unavailable")}
        with disk_campaign.server.rest() as rest:
            eventually(lambda: disk_campaign.server.readiness() == 200, why="ready after the disk has space again")
            rest.declare("plain")
    disk_campaign.traffic()
    disk_campaign.close()


def test_a_server_that_cannot_write_says_so_until_it_can(disk: Disk) -> None:
    """Also between its own duties, most of which have nothing to write and so do not fail."""
    with Server(disk.live, environment=disk.environment) as server, server.start().rest() as rest:
        rest.declare("plain")
        with failing(disk, WRITE_ERRNO, errno.ENOSPC):
            assert _publish_fails(rest).status == 507
            said = set[tuple[int, float]]()
            until = _committer(server, rest)["batches_total"] + 100

            def is_over() -> bool:
                committer = _committer(server, rest)
                said.add((server.readiness(), committer["failing"]))
                return committer["batches_total"] >= until

            eventually(is_over, 120, why="a hundred batches", interval=0.05)
            assert said == {(503, 1)}
        eventually(
            lambda: (server.readiness(), _committer(server, rest)["failing"]) == (200, 0), 20, why="healthy once it can write"
        )


def _committer(server: Server, rest: Rest) -> dict[str, float]:
    """Its figures among the metrics."""
    name = "brokerweb_committer_"
    lines = rest.http.get(f"{server.url}/metrics").text.splitlines()
    figures = [line.removeprefix(name).split() for line in lines if line.startswith(name)]
    return {figure[0]: float(figure[-1]) for figure in figures}


def test_checkpoints_that_fail_cost_nothing_that_was_confirmed(disk_campaign: Campaign, disk: Disk) -> None:
    """Only the log can be written: commits go on, checkpoints do not, and then the power goes."""
    disk_campaign.open()
    disk_campaign.traffic()
    disk.set(SPARE_LOG, 1)
    with failing(disk, WRITE_ERRNO, errno.ENOSPC), disk_campaign.server.rest() as rest:
        rest.declare("bulk")
        for _ in range(BULK):
            rest.publish("bulk", {"body": "x" * BULK_BYTES})
        disk_campaign.traffic()
    disk.set(SPARE_LOG, 0)
    disk_campaign.cut_power(0)
    disk_campaign.restart()
    with disk_campaign.server.rest() as rest:
        assert rest.queue("bulk")["counts"]["ready"] == BULK
    disk_campaign.close()


def test_a_full_disk_at_start_is_said_and_the_next_start_works(disk: Disk) -> None:
    with Server(disk.live, environment=disk.environment) as server:
        server.start().terminate()
        with failing(disk, WRITE_ERRNO, errno.ENOSPC):
            server.start(ready=False)
            eventually(lambda: not server.running or server.readiness() == 503, 40, why="ended, or not ready")
            server.kill()

        assert server.start().readiness() == 200


def test_a_failed_sync_confirms_nothing_and_nothing_confirmed_is_lost(disk_campaign: Campaign, disk: Disk) -> None:
    disk_campaign.open()
    for _ in range(rounds(1, 10)):
        disk_campaign.traffic()
        with failing(disk, FSYNC_ERRNO, errno.EIO):
            eventually(lambda: _noticed(disk_campaign.server), 30, why="the server noticed that its disk fails")
        disk_campaign.cut_power(0)
        disk_campaign.restart()
    disk_campaign.traffic()
    disk_campaign.close()


def _noticed(server: Server) -> bool:
    """Whether the server has stopped, or says that it cannot serve; and that it confirms nothing meanwhile."""
    if not server.running or server.readiness() == 503:
        return True
    try:
        with server.rest() as rest:
            return _publish_fails(rest).status in (503, 507) and server.readiness() == 503
    except httpx.TransportError:
        return not server.running
