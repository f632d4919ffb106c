"""``DATABASE_URL`` as an entry of Django's DATABASES. Passwords are in it: no message here repeats any of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from brokerweb.conf import BadOption

SCHEMES = ("postgresql", "postgres")
FORM = "postgresql://user:password@host:5432/database"
# What libpq leaves open would hold a thread for minutes after a server's machine is gone: a node then answers `unavailable`
# within seconds, and finds the next one by itself. What the URL says wins.
PATIENCE = {
    "connect_timeout": "5",  # seconds, for each host
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
}


def as_django(url: str) -> dict[str, Any]:
    """The database that the URL names. Raises BadOption."""
    _refuse_other_schemes(url)
    given = _parameters(url)
    name, user, password = (given.pop(key, "") for key in ("dbname", "user", "password"))
    if not name and "service" not in given:
        raise _unusable(f"names no database: {FORM}")
    several = {"target_session_attrs": "read-write"} if "," in given.get("host", "") else {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        "OPTIONS": {"application_name": "brokerweb", **PATIENCE, **several, **given},
        "CONN_MAX_AGE": None,  # threads are few, and each keeps its connection
        "CONN_HEALTH_CHECKS": True,  # no page fails because the server was started anew since the last one
    }


def _refuse_other_schemes(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise _unusable(f"is no URL such as {FORM}") from None
    if scheme in ("sqlite", "sqlite3"):
        raise _unusable("SQLite needs none: leave it out, and name the directory of the file in BROKERWEB_DATA")
    if scheme not in SCHEMES:
        raise _unusable(f"the broker stores in PostgreSQL, or without it in SQLite: {FORM}")


def _parameters(url: str) -> dict[str, Any]:
    """What the URL says, by libpq's own reading: several hosts, sockets, and its parameters as a query."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return dict(conninfo_to_dict(url))
    except ProgrammingError:  # its message has the part that was not understood
        raise _unusable(
            f"is no URL such as {FORM}?sslmode=require, or has a parameter that libpq does not know; in user and password "
            "write @ : / ? # % and spaces as %40 and the like"
        ) from None


def _unusable(why: str) -> BadOption:
    return BadOption(f"DATABASE_URL: {why}")
