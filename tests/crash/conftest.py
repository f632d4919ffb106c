"""A server whose disk can fail, and a campaign on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.campaign import Campaign
from tests.crash.dose import seed
from tests.powerfail.fixtures import powerfail_library
from tests.powerfail.shim import Disk
from tests.server import Server

__all__ = ["powerfail_library"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that has not been started, on what an earlier one left: tables are in the database's file, the log is empty."""
    with Server(tmp_path / "data") as server:
        yield server


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """The same on an empty data directory: until it has ended once, tables are in the log."""
    with Server(tmp_path / "data", empty=True) as server:
        yield server


@pytest.fixture
def campaign(server: Server) -> Iterator[Campaign]:
    """Traffic on a plain server."""
    campaign = Campaign(server, seed())
    yield campaign
    campaign.release()


@pytest.fixture
def disk(powerfail_library: Path, tmp_path: Path) -> Disk:
    return Disk.make(powerfail_library, tmp_path)


@pytest.fixture
def disk_campaign(disk: Disk) -> Iterator[Campaign]:
    """Traffic on a server whose disk and clock the test controls."""
    with Server(disk.live, environment=disk.environment) as server:
        campaign = Campaign(server, seed(), disk=disk)
        yield campaign
        campaign.release()
