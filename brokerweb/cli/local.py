"""The broker of a data directory: where it listens, and a token for whoever may read that directory.

Whoever can read the directory can read every message in it, so that such a token gives nothing away. It is kept in the
directory, for its owner alone, lasts a month, and is on the console's page of tokens like any other.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brokerweb import conf

OWN = "brokerweb.settings"
TOKEN_FILE = "cli.token"  # noqa: S105 (where it is)
LASTS = 30 * 86_400  # seconds
FRESH = 86_400  # seconds that a token is taken without a look at the store
RENEWED = 86_400  # seconds before its end from which on another is made


def is_there() -> bool:
    """Whether a server has ever run in the data directory."""
    return (_data() / "lock").exists()


def url() -> str | None:
    """Where the directory's server listens, as it noted itself; None where none does."""
    from brokerweb.servers.lock import address_of_server, is_held
    from brokerweb.storage.files import Files

    found = Files(_data() / conf.DATABASE)
    return address_of_server(found) if is_held(found) else None


def token() -> str:
    """A token that may everything: the one that is kept, or a new one. Raises BadOption where none can be made."""
    path = _data() / TOKEN_FILE
    if path.exists() and time.time() - path.stat().st_mtime < FRESH:
        return path.read_text().strip()  # without Django, which takes longer than most commands
    return renewed()


def renewed() -> str:
    """The token that is kept where it still stands, or a new one. Raises BadOption where none can be made."""
    set_up()
    from django.db import DatabaseError

    from brokerweb.core import clock
    from brokerweb.identity import authentication, tokens
    from brokerweb.identity.grants import ADMIN, Permit
    from brokerweb.identity.models import Token
    from brokerweb.identity.principal import broker_itself

    path = _data() / TOKEN_FILE
    try:
        kept = path.read_text().strip() if path.exists() else ""
        lasting = clock.to_datetime(clock.wall() + clock.seconds(RENEWED))
        alive = Token.objects.filter(sha256=authentication.digest_of(kept), revoked_at=None, expires_at__gt=lasting)
        if kept and alive.exists():
            path.touch()  # looked at
            return kept
        name = f"command line of {_user()} on {socket.gethostname()}"[:200]
        expires_at = clock.wall() + clock.seconds(LASTS)
        made = tokens.store(broker_itself(), name, [Permit(None, "*", frozenset({ADMIN}))], expires_at=expires_at)
        _keep(path, made.text)
    except (DatabaseError, OSError) as error:
        raise conf.unusable(_data(), error) from error
    return made.text


def make_token(request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a token in the store itself, as ``POST /tokens`` does. Raises BrokerError, and BadOption for a store of no use."""
    set_up()
    from django.db import DatabaseError

    from brokerweb.identity import tokens
    from brokerweb.identity.principal import broker_itself

    try:
        return tokens.create(broker_itself(f"command line of {_user()}"[:200]), request).as_json()
    except DatabaseError as error:
        raise conf.unusable(_data(), error) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user need not have a name
        return f"user {os.getuid()}"


def _keep(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def _data() -> Path:
    return conf.read(os.environ).data.absolute()


def set_up(*, begin: bool = False) -> bool:
    """Django, with the broker's own settings unless others are named, once; False where there is no data directory yet.

    ``begin``: it may be made. Raises BadOption.
    """
    import django
    from django.apps import apps

    if apps.ready:
        return True
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", OWN)
    if not (begin or is_there() or os.environ["DJANGO_SETTINGS_MODULE"] != OWN):
        return False
    django.setup()
    return True
