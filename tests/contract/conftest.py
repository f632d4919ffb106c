"""A second database is one more parameter of ``store``, with the alias it has in the tests' settings."""

from __future__ import annotations

import pytest

from tests.contract.store import Orders, Store
from tests.contract.streams import Log
from tests.queues.bench import Time

ALIASES = {"sqlite": "default"}


@pytest.fixture(params=sorted(ALIASES))
def store(request: pytest.FixtureRequest, time: Time, db: None) -> Store:
    return Store(time, ALIASES[request.param])


@pytest.fixture
def orders(store: Store) -> Orders:
    return store.queue("orders")


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store.time, store.alias)
