from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster_faults.campaign import Both
from tests.cluster_faults.cluster import Cluster
from tests.crash.dose import seed
from tests.postgres import of_the_wheel, started


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """A cluster of its own, whose database may be stopped."""
    programs = of_the_wheel()
    assert programs is not None
    number = seed()
    with started(programs) as postgres:
        cluster = Cluster(tmp_path, postgres, number)
        run = Both(cluster, number)
        try:
            yield run
        finally:
            run.release()
            cluster.end()
