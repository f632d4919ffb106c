from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.desk import Desk


@pytest.fixture
def desk(transactional_db: None) -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.committer.stop()
