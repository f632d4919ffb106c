"""What every test may use, and the rule that nothing is skipped where it counts."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from functools import cache
from itertools import groupby, islice

import httpx._transports.default as transports
import pytest
from hypothesis import settings as hypothesis_settings

from brokerweb import conf
from brokerweb.core import clock, events, remembered
from tests import sqlite
from tests.postgres import database, on_postgres, postgres, postgres_servers
from tests.queues.bench import Time

__all__ = ["database", "on_postgres", "postgres", "postgres_servers"]

CI = os.environ.get("CI", "").lower() in ("1", "true")

# An example may take as long as the machine lets it: tests run side by side. All else is as Hypothesis has it, here or in CI.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")
sqlite.install()
# Who begins this in the background of a script has a shell that lets it ignore Ctrl-C, and so would every program that is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
gc.disable()  # until all is collected
# Nothing here is TLS, and reading the list of authorities takes longer than most requests: once, instead of by every client.
transports.create_ssl_context = cache(transports.create_ssl_context)  # type: ignore[attr-defined]  # it is httpx' own


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What failed and passed when it was run once more (``--reruns``) is shown whole: it is a fault to be looked for."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_sep("_", f"failed at first: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # pytest and Django's plugin put them in their order before
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``full`` run when asked for with ``-m``; long ones are begun early where tests run side by side."""
    if "full" not in (config.option.markexpr or ""):
        full = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = dealt(items, workers)


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: Python's collector looks through what comes from now on."""
    gc.freeze()
    gc.enable()


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The items, so that each worker's part begins with some of the long tests: else a run ends with one of them, alone.

    ``--dist worksteal`` gives each worker an equal part of the list, and takes from a part's end for who has nothing left.
    """
    long = [item for item in items if item.get_closest_marker("long")]
    others = iter([item for item in items if not item.get_closest_marker("long")])
    first: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for _, of_a_module in groupby(long, lambda item: item.path):  # together, as they share a server or a browser
        min(first, key=len).extend(of_a_module)
    dealt: list[pytest.Item] = []
    for n, begun in enumerate(first):
        dealt += [*begun, *islice(others, max(0, (len(items) - len(dealt)) // (workers - n) - len(begun)))]
    return dealt


@pytest.fixture(autouse=True)
def _process_state() -> Generator[None]:
    """No clock, listener or option of one test reaches the next, and nothing that was remembered of its store."""
    listeners = list(events._listeners)
    clock.elsewhere(None)  # it would read the store wherever a clock is read
    yield
    clock.install(None)
    events._listeners[:] = listeners
    conf.forget()
    remembered.begin()


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
