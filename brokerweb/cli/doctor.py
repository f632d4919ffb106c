"""``brokerweb doctor``: what is looked at first where something is wrong, and what to do about it."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx
import typer
from rich.table import Table
from rich.text import Text

from brokerweb import conf
from brokerweb.cli import client, exits, local
from brokerweb.cli.output import Json, console, print_json

OK, NOTE, WRONG = "ok", "note", "wrong"
STYLES = {OK: "green", NOTE: "yellow", WRONG: "red"}
FEW_DESCRIPTORS = 4096
FAR = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs")
TIMEOUT = 5.0  # seconds for an answer


class Finding(NamedTuple):
    """What was looked at, how it is, and what that means."""

    check: str
    state: str
    detail: str


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read the whole database, too.")] = False, json: Json = False
) -> None:
    """Say what is wrong, and what to do about it.

    It looks at files, locks, clock, disk, SQLite, proxies and limits, and ends with status 1 where something is wrong.
    It opens the store itself: run it where the data directory is.
    """
    found = list(_findings(deep=deep))
    if json:
        print_json([finding._asdict() for finding in found])
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("CHECK", "STATE", "DETAIL"):
            table.add_column(column, overflow="fold")
        for finding in found:
            table.add_row(finding.check, Text(finding.state, style=STYLES[finding.state]), Text(finding.detail))
        console().print(table)
    if any(finding.state == WRONG for finding in found):
        raise typer.Exit(exits.REFUSED)


def _findings(*, deep: bool) -> Iterator[Finding]:
    try:
        options = conf.read(os.environ)
        known = local.set_up()
    except conf.BadOption as error:
        yield Finding("options", WRONG, str(error))
        return
    yield from _network(options)
    yield _descriptors()
    yield _clock()
    if (url := client.named()) is not None:
        client.refuse_address(url)
        yield from _asked(url.rstrip("/"))
    if not known:
        yield Finding("data", NOTE, f"no server has run in {options.data.absolute()}; brokerweb serve begins one")
        return
    yield from _django()
    yield from _store(options, deep=deep)


def _network(options: conf.Conf) -> Iterator[Finding]:
    if options.public_url:
        wrong = NOTE if not options.secure else OK
        detail = f"people come by {', '.join(options.public_url)}" + (
            "" if options.secure else ": without TLS, tokens can be read"
        )
        yield Finding("address", wrong, detail)
        if options.secure and not options.trusted_proxies:
            yield Finding(
                "proxies", NOTE, "https ends at a proxy, but BROKERWEB_TRUSTED_PROXIES names none: clients' addresses are its own"
            )
    elif options.is_loopback:
        yield Finding("address", OK, f"{options.bind}, for this machine alone")
    else:
        yield Finding("address", NOTE, f"{options.bind} listens beyond this machine: name the address in BROKERWEB_PUBLIC_URL")


def _descriptors() -> Finding:
    most, ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)
    state = OK if most >= FEW_DESCRIPTORS or most == resource.RLIM_INFINITY else NOTE
    advice = "" if state == OK else f": about as many sockets; raise it with ulimit -n {max(ceiling, FEW_DESCRIPTORS)}"
    return Finding("descriptors", state, f"{most} may be open in a process{advice}")


def _clock() -> Finding:
    from brokerweb.core import clock

    now = clock.wall()
    if now < clock.RELEASED:
        return Finding("clock", WRONG, f"the machine says it is {clock.rfc3339(now)}, which is in the past: set it, and run NTP")
    return Finding("clock", OK, clock.rfc3339(now))


def _django() -> Iterator[Finding]:
    from django.core import checks

    said = [message for message in checks.run_checks() if not message.is_silenced()]
    for message in said:
        state = WRONG if message.level >= checks.ERROR else NOTE
        yield Finding(message.id or "check", state, f"{message.msg}" + (f". {message.hint}" if message.hint else ""))
    if not said:
        yield Finding("settings", OK, "Django's and the broker's own checks find nothing")


def _store(options: conf.Conf, *, deep: bool) -> Iterator[Finding]:
    from django.db import connection

    from brokerweb.checks import sqlite_is_sound, sqlite_version
    from brokerweb.storage.files import files_of

    files = files_of(connection)
    if files is None:
        yield _opens(lambda: connection.ensure_connection(), connection.vendor)
        yield from _server(None)
        return
    version = sqlite_version()
    sound = sqlite_is_sound(tuple(int(part) for part in version.split(".")))
    yield Finding("SQLite", OK if sound else WRONG, version + ("" if sound else " can lose commits: use brokerweb's own engine"))
    yield from _file(files.database, deep=deep)
    yield from _kept_secret(options.data)
    yield _disk(options, files.database.parent)
    yield from _server(files)


def _file(database: Path, *, deep: bool) -> Iterator[Finding]:
    from django.db import connection

    if not database.exists():
        yield Finding("database", WRONG, f"{database} is not there")
        return
    kind = _file_system(database)
    state, where = (WRONG, f" on {kind}, where SQLite's locks do not hold: use a local disk") if kind in FAR else (OK, "")
    log = database.with_name(database.name + "-wal")
    logged = f", and {log.stat().st_size:,} of its log" if log.exists() else ""
    yield Finding("database", state, f"{database}, {database.stat().st_size:,} bytes{logged}{where}")

    def whole() -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check(1)" if deep else "SELECT count(*) FROM brokerweb_queues_queue")
            [said] = cursor.fetchone()
            if deep and said != "ok":
                raise ValueError(said)

    yield _opens(whole, "integrity" if deep else "opens")


def _opens(look: Callable[[], object], name: str) -> Finding:
    from django.db import Error

    started = time.monotonic()
    try:
        look()
    except (Error, ValueError) as error:
        return Finding(name, WRONG, str(error))
    return Finding(name, OK, f"answers within {1000 * (time.monotonic() - started):.0f} ms")


def _file_system(path: Path) -> str | None:
    """The kind of file system that a path is on; None where that cannot be told."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return None
    above = [(len(place), kind) for place, kind in mounts if path.is_relative_to(place.encode().decode("unicode_escape"))]
    return max(above)[1] if above else None


def _kept_secret(data: Path) -> Iterator[Finding]:
    for path in (data, data / "secret.key", data / local.TOKEN_FILE):
        if path.exists() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield Finding("rights", WRONG, f"everybody on this machine may read {path}: chmod o-rwx {path}")


def _disk(options: conf.Conf, folder: Path) -> Finding:
    from brokerweb.storage import disk

    here = disk.of()
    here.look()
    free = shutil.disk_usage(folder).free
    if free < here.limit:
        return Finding("disk", WRONG, f"{free:,} bytes are free, fewer than {here.limit:,}: new messages are refused")
    return Finding("disk", OK, f"{free:,} bytes are free; below {here.limit:,} new messages are refused")


def _server(files: Any) -> Iterator[Finding]:
    from brokerweb.servers.lock import address_of_server, is_held

    if client.named() is not None:
        return  # that one has been asked
    if files is None:
        yield Finding("broker", NOTE, "name one that is to be looked at by BROKERWEB_URL")
        return
    if not is_held(files):
        yield Finding("broker", NOTE, "none runs on this database: delays, ended leases and retention wait for it")
        return
    url = address_of_server(files)
    if url is None:
        yield Finding("broker", NOTE, "one holds the lock, but has not said where it listens")
    else:
        yield from _asked(url)


def _asked(url: str) -> Iterator[Finding]:
    """What a broker says of itself."""
    try:
        answer = httpx.get(url + "/readyz", timeout=TIMEOUT)
        said = answer.json()
    except httpx.HTTPError as error:
        yield Finding("broker", WRONG, f"{url} does not answer: {error}")
        return
    except ValueError:
        said = None
    if not (isinstance(said, dict) and "status" in said):
        to = f", but redirects to {answer.headers['Location']}" if answer.has_redirect_location else ""
        yield Finding("broker", WRONG, f"what answers on {url} is no broker{to}")
        return
    state = {"ok": OK, "degraded": NOTE}.get(said["status"], WRONG)
    yield Finding("broker", state, f"{url} says {said['status']}")
    for check, found in said.get("checks", {}).items():
        if found != "ok":
            yield Finding(f"broker: {check}", WRONG if said["status"] == "unavailable" else NOTE, found)
