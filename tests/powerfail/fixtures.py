"""Fixtures for every tier that cuts the power."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.powerfail.shim import NoCompiler, build


@pytest.fixture(scope="session")
def powerfail_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library. Without a compiler: a visible skip; in CI a failure, for there nothing may be skipped."""
    try:
        return build(tmp_path_factory.mktemp("powerfail"))
    except NoCompiler as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
