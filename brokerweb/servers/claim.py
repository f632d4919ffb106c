"""What must hold before a server touches its database: nobody else serves it, and nothing is missing from it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import Error, connection

from brokerweb import conf
from brokerweb.cluster import nodes, presence
from brokerweb.cluster.models import Node
from brokerweb.core.errors import BrokerError
from brokerweb.servers import database
from brokerweb.servers.lock import AlreadyRunning, only_server
from brokerweb.storage import disk, losses
from brokerweb.storage.files import Files, files_of
from brokerweb.storage.losses import DataLost
from brokerweb.storage.reading import read

log = logging.getLogger(__name__)
ACCEPTED = "%s; this start accepts the loss"


def files() -> Files | None:
    """Of the broker's database; None where a server has it. Raises BadOption where it is none that can be served."""
    found = files_of(connection)
    if found is None and connection.vendor != "postgresql":
        raise conf.BadOption(f"DATABASES: {conf.other_database(connection.vendor)}")
    return found


def is_in_data_of(options: conf.Conf, found: Files | None) -> bool:
    """Whether the option ``data`` is what says where the database is."""
    return found is not None and Path(os.path.realpath(options.database)) == found.database


def refuse_data_elsewhere(options: conf.Conf, found: Files | None) -> None:
    """Raises BadOption where a data directory was named and the database is elsewhere: not what was asked for would be served."""
    if found is None:
        return
    if os.environ.get(conf.OPTIONS["data"].metadata["variable"]) and not is_in_data_of(options, found):
        raise conf.BadOption(
            f"BROKERWEB_DATA: {options.data.absolute()} does not move the database: Django's settings (DATABASES) say "
            f"{found.database}, and were read before. Leave --data out; with brokerweb.settings set BROKERWEB_DATA instead"
        )


@contextmanager
def usable_database() -> Iterator[None]:
    """Raises BadOption where the file is no database, cannot be written, or has no room, or where the server of one does not
    answer: an operator's affair, not a fault.
    """
    try:
        yield
    except (Error, BrokerError) as error:
        found = files()
        if found is None:
            raise database.unusable(error) from error
        raise conf.unusable(found.database, error, named_by=found.named_by) from error


@contextmanager
def claimed(
    found: Files | None, *, accept_loss: bool = False, tell: Callable[[str], None] = log.info
) -> Iterator[Callable[[str, str], None]]:
    """Serve the database within this, and note by what it yields where (``only_server``). That of a server any number may serve.

    ``accept_loss``: go on with what is there. Raises AlreadyRunning, DataLost and BadOption.
    """
    if found is None:
        database.reach(tell)
        yield _unnoted
        return
    with only_server(found) as note_url:
        try:
            evidence = losses.before_opening(found)
        except DataLost as lost:
            _accept(lost, accept_loss)
        else:
            if not found.index.exists():  # SQLite takes its blocks when it opens the files
                disk.of().make_way(disk.OPENING)
            with usable_database():
                _hold_against(evidence, found, accept_loss, tell)
        yield note_url


def _unnoted(url: str, here: str) -> None:
    """Nobody looks there: nodes are many."""


def _hold_against(evidence: losses.Evidence, found: Files, accept_loss: bool, tell: Callable[[str], None]) -> None:
    connection.ensure_connection()
    known = Node._meta.db_table in connection.introspection.table_names()
    if known:
        try:
            presence.require_alone(presence.here(found), tell)
        except presence.StillServed as error:
            raise AlreadyRunning(f"{found.database}: {error}") from error
    try:
        seen = read(nodes.last_seen) if known else None
        losses.after_opening(found, evidence, seen and seen.at)
    except DataLost as lost:
        _accept(lost, accept_loss)


def _accept(lost: DataLost, accept_loss: bool) -> None:
    if not accept_loss:
        raise lost
    log.warning(ACCEPTED, lost)
