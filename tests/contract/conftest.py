"""The contract holds on every database: a further one is one more parameter of ``store``."""

from __future__ import annotations

import pytest

from tests.contract.store import Orders, Store
from tests.contract.streams import Log
from tests.postgres import DATABASES
from tests.queues.bench import Time


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, time: Time) -> Store:
    request.getfixturevalue(request.param)
    return Store(time)


@pytest.fixture
def orders(store: Store) -> Orders:
    return store.queue("orders")


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store.time, store.alias)
