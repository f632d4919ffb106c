"""Whether the node that served last still does. SQLite has one server, and the lock is not the only thing that sees to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from brokerweb.cluster import nodes, wall
from brokerweb.core import clock
from brokerweb.core.process import Process, this
from brokerweb.storage.files import Files
from brokerweb.storage.reading import read

SILENT = 12.0  # seconds without a heartbeat, which comes every five, after which a node is gone
LOOK = 0.25  # seconds between looks for one


class StillServed(Exception):
    """Another node serves this database; the message says how that was found."""


@dataclass(frozen=True)
class Presence:
    """What a node says of itself in its row: which process it is, on which file, under which lock."""

    process: Process
    database: int  # number of the file: a copy of the database has another
    lock: str

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def serves(self, here: Presence) -> bool | None:
        """Whether that node is still there, on the database that ``here`` is about to serve. None where only time can tell."""
        if self.database != here.database or self.process == here.process:
            return False
        alive = self.process.alive()
        if alive is None and self.lock == here.lock and self.process.boot == here.process.boot:
            return False  # the very lock that it held is free
        return alive


def here(files: Files) -> Presence:
    """This process on that database. Raises OSError where there is no such file yet."""
    try:
        lock = files.lock.stat()
        held = f"{lock.st_dev}:{lock.st_ino}"
    except FileNotFoundError:
        held = ""
    return Presence(this(), files.database.stat().st_ino, held)


def parse(text: str) -> Presence | None:
    """The presence in a node's row; None for none."""
    try:
        values = json.loads(text)
        return Presence(Process(**values["process"]), values["database"], values["lock"])
    except (ValueError, TypeError, KeyError):
        return None


def require_alone(ours: Presence, tell: Callable[[str], None]) -> None:
    """Return once no other node can be serving; ``tell`` why it takes a while, where it does. Raises StillServed."""
    unclear: dict[str, int] = {}
    for text, seen in read(nodes.nodes):
        theirs = parse(text)
        serves = theirs.serves(ours) if theirs else False
        if serves and theirs:
            raise StillServed(f"process {theirs.process.number} serves this database, though it does not hold this lock")
        if serves is None and _silent_for(seen) < clock.seconds(SILENT):
            unclear[text] = seen.at
    if unclear:
        tell(f"A node of another machine or container was here a moment ago: waiting {SILENT:.0f} seconds for its heartbeat.")
        _wait_for_silence(unclear)


def _silent_for(seen: nodes.Seen) -> int:
    """How long its last heartbeat is ago: as the machine knows, or else by the wall, as far as that was ahead when it came."""
    ago = seen.elapsed
    return clock.wall() - (seen.at + read(wall.difference)) if ago is None else ago


def _wait_for_silence(unclear: dict[str, int]) -> None:
    deadline = time.monotonic() + SILENT
    while time.monotonic() < deadline:
        if any(unclear.get(text, seen.at) != seen.at for text, seen in read(nodes.nodes)):
            raise StillServed("a node of another machine or container serves this database: its heartbeat came just now")
        time.sleep(LOOK)
