"""What a process remembers of its store is forgotten where that may be another's: by a broker that begins, and between tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from brokerweb.cluster import sources
from brokerweb.core import clock, events, remembered
from brokerweb.identity import tokens
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import stats
from tests.server import ROOT

# Modules that begin with something empty, and say in this way that it is no memory of a store.
OTHERS = {
    "brokerweb/conf.py": "what the project's code declares",
    "console/listing.py": "the lists there are",
    "brokerweb/handlers/registry.py": "what the project's code declares",
    "brokerweb/settings.py": "settings",
    "brokerweb/core/remembered.py": "who forgets",
    "brokerweb/core/alarms.py": "whoever waits here and now",
    "brokerweb/core/events.py": "whoever listens here and now, and what they show",
    "brokerweb/delivery/connections.py": "whoever is connected here and now",
    "brokerweb/delivery/open_sockets.py": "whoever is connected here and now",
    "brokerweb/delivery/polls/waits.py": "whoever waits here and now",
    "brokerweb/faces/calls/merging.py": "what is asked in this turn of the loop",
    "brokerweb/servers/lifecycle.py": "how this process ends",
    "console/exports/views.py": "what is sent here and now",
    "brokerweb/identity/scrub.py": "secrets, which stay so",
    "brokerweb/storage/changes.py": "what a connection has seen, whose number tells of its store",
    "brokerweb/storage/disk.py": "by the file",
    "brokerweb/storage/files.py": "by the file",
    "brokerweb/storage/write_lock.py": "by the file",
    "brokerweb/storage/postgres/cursors.py": "by the connection",
    "brokerweb/storage/postgres/inserts.py": "of the schema, which is the same everywhere",
    "brokerweb/storage/postgres/wire.py": "by the connection",
}
EMPTY = ("set", "dict", "list", "deque", "Counter", "defaultdict", "OrderedDict", "WeakSet", "WeakKeyDictionary")


def memories(text: str) -> Iterator[str]:
    """What a module begins empty, by name."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_empty(node.value):
            yield ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return not value.args and ast.unparse(value.func).partition("[")[0] in EMPTY
    return ast.unparse(value) in ("{}", "[]")


def modules() -> Iterator[tuple[str, str]]:
    """Of what serves, with their text."""
    for package in ("brokerweb", "queues", "streams", "console"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not {"cli", "demo", "migrations"} & {*path.parts}:
                yield str(path.relative_to(ROOT)), path.read_text()


def test_who_remembers_says_how_it_forgets():
    assert {name for name, text in modules() if "remembered.of_" not in text and any(memories(text))} == OTHERS.keys()


def test_what_was_written_is_written_again_into_a_store_that_went_back_to_an_earlier_state():
    outcome = events.Outcome()
    outcome.sources["shop", None, "queue", 1] = 1
    sources.sources(outcome)
    wall = clock.wall()
    pairs = sources.sources.unwritten(wall)
    assert pairs == [("queue", 1, "shop")]
    sources.sources.written(pairs, wall)
    assert sources.sources.unwritten(wall) == []
    remembered.ask_anew()
    assert sources.sources.unwritten(wall) == pairs


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_begins_knows_nothing_of_another_store():
    text = tokens.create(broker_itself(), {"name": "shop", "grants": []}).text
    tokens.authenticate(text)
    outcome = events.Outcome()
    outcome.counts[events.PUBLISHED, 1] = 1
    stats.stats(outcome)
    assert tokens.cached(text) is not None
    assert stats.by_id()
    remembered.begin()
    assert tokens.cached(text) is None
    assert (stats.by_id(), stats.totals()) == ({}, {})
