"""One running broker for each server; what they are asked must be answered alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import Server


@pytest.fixture(scope="package", params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp(request.param) / "data", kind=request.param) as server:
        server.start()
        with server.rest() as rest:
            rest.declare("orders")
        yield server
