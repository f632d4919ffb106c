"""What every test may use, and the rule that nothing is skipped where it counts."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings as hypothesis_settings

from brokerweb import conf
from brokerweb.core import clock, events
from tests.postgres import postgres, postgres_servers
from tests.queues.bench import Time

__all__ = ["postgres", "postgres_servers"]

CI = os.environ.get("CI", "").lower() in ("1", "true")

# An example may take as long as the machine lets it: tests run side by side. All else is as Hypothesis has it, here or in CI.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: a machine that lacks something must not look green."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``full`` run when asked for with ``-m``."""
    if "full" in (config.option.markexpr or ""):
        return
    full = [item for item in items if item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=full)
    items[:] = [item for item in items if item not in full]


@pytest.fixture(autouse=True)
def _process_state() -> Generator[None]:
    """No clock, listener or option of one test reaches the next."""
    listeners = list(events._listeners)
    clock.elsewhere(None)  # it would read the store wherever a clock is read
    yield
    clock.install(None)
    events._listeners[:] = listeners
    conf.forget()


@pytest.fixture
def time() -> Time:
    """The broker's clock, which stands still until it is moved."""
    standing = Time()
    clock.install(standing)
    return standing


@pytest.fixture
def told(transactional_db: None) -> list[events.Outcome]:
    """What listeners hear; commits are real here."""
    heard: list[events.Outcome] = []
    events.listen(heard.append)
    return heard
