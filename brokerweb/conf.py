"""Every option of the broker: its default, its unit, one line of what it does.

A value comes from the command line (``manage.py serve --bind …``), else the environment (``BROKERWEB_BIND``), else the
``BROKERWEB`` dictionary of Django's settings (``{"bind": …}``), else its default. ``get()`` reads them once, lazily.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from brokerweb.core import environments, masking
from brokerweb.core.addresses import Network, network

DATABASE = "brokerweb.sqlite3"  # in the data directory
OWN_URLS = "brokerweb.urls"  # the table of addresses of the broker as its own project
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MAX_UNAUTHENTICATED_BYTES = 65_536  # of a request or frame, before the caller is known
SHORTEST_KEY = 50  # characters; Django's own check warns of less
READ_TIMEOUT = 10.0  # seconds a client has for a request's head, and for each further stretch of its body
PING_INTERVAL, PING_TIMEOUT = 5.0, 10.0  # seconds, of a WebSocket

SCHEME_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?/?", re.ASCII)


class BadOption(ValueError):
    """An option's value cannot be used; the message names the option."""


def unusable(path: Path, reason: Exception, *, named_by: str = "BROKERWEB_DATA") -> BadOption:
    """The data, or a part of them, cannot be read or written."""
    return BadOption(f"{named_by}: cannot use {path.absolute()}: {getattr(reason, 'strerror', None) or reason}")


def other_database(vendor: str) -> str:
    """What to say of a default database that the broker cannot use."""
    return f"brokerweb cannot use {vendor} as the default database: it stores in SQLite or PostgreSQL"


def _text(value: Any) -> str:
    return str(value).strip()


def _secret(value: Any) -> str:
    return str(value)


def _secret_key(value: Any) -> str:
    text = str(value)
    if len(text) < SHORTEST_KEY:
        raise ValueError(f"a key needs at least {SHORTEST_KEY} characters")
    return text


def _redis_url(value: Any) -> str:
    text = str(value).strip()
    if text and not text.startswith(("redis://", "rediss://", "unix://")):  # it may hold a password, and is not repeated
        raise ValueError("is no URL such as redis://host:6379")
    return text


def _email_url(value: Any) -> str:
    text = str(value).strip()  # it may hold a password, and is not repeated
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if text and not (usable and parts.query in ("", "tls=1", "tls=0")):
        raise ValueError("is no URL such as smtp://user:password@host:587?tls=1 or smtps://host")
    return text


def _path(value: Any) -> Path:
    return Path(value).expanduser()


def _bytes(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and MAX_UNAUTHENTICATED_BYTES <= int(text) <= 1 << 30):
        raise ValueError(f"{text!r} is not a number of bytes from 65536 to 1073741824")
    return int(text)


def _threads(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and 1 <= int(text) <= 1000):
        raise ValueError(f"{text!r} is not a number of threads from 1 to 1000")
    return int(text)


def _lanes(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and 1 <= int(text) <= 16):
        raise ValueError(f"{text!r} is not a number of lanes from 1 to 16")
    return int(text)


def _rate(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and (int(text) == 0 or MAX_UNAUTHENTICATED_BYTES <= int(text) <= 1 << 30)):
        raise ValueError(f"{text!r} is neither 0 nor a number of bytes from 65536 to 1073741824")
    return int(text)


def _free_bytes(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and int(text) <= 1 << 50):
        raise ValueError(f"{text!r} is not a number of bytes from 0 to 1125899906842624")
    return int(text)


def _days(value: Any) -> int:
    text = str(value).strip()
    if not (text.isdecimal() and 1 <= int(text) <= 36_500):
        raise ValueError(f"{text!r} is not a number of days from 1 to 36500")
    return int(text)


def _flag(value: Any) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    text = str(value).strip().lower()
    if text not in known:
        raise ValueError(f"{value!r} is neither true nor false")
    return known[text]


def _server(value: Any) -> str:
    if value not in ("daphne", "uvicorn"):
        raise ValueError(f"{value!r} is not daphne or uvicorn")
    return str(value)


def _bind(value: Any) -> str:
    split_bind(_text(value))
    return _text(value)


def _items(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    return [part.strip() for part in parts if part.strip()]


def _origins(value: Any) -> tuple[str, ...]:
    return tuple(_origin(item) for item in _items(value))


def _origin(text: str) -> str:
    """As browsers write it: lower case, without the scheme's own port."""
    if "@" in text:  # and what stands before it is not repeated
        raise ValueError("an origin holds no user or password: give only what is like https://broker.example")
    found = _ORIGIN.fullmatch(text.lower())
    if not found or not 0 < int(found[3] or 1) < 65_536 or not urlsplit(text).hostname:
        raise ValueError(f"{text!r} is not an origin such as https://broker.example")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + (f":{int(port)}" if port and int(port) != SCHEME_PORTS[scheme] else "")


def _networks(value: Any) -> tuple[Network, ...]:
    return tuple(network(item) for item in _items(value))


def _issuer(value: Any) -> str:
    text = str(value).strip()
    place = urlsplit(text)
    loopback = place.hostname in ("localhost", "127.0.0.1", "::1")
    schemes = ("https", "http") if loopback else ("https",)
    if text and (place.scheme not in schemes or not place.hostname or place.query or place.username):
        raise ValueError("is no issuer such as https://login.example: https, or http on loopback")
    return text


def option(variable: str, default: Any, parse: Callable[[Any], Any], doc: str, *, flag: bool = True) -> Any:
    """A field of ``Conf``: the variable it is read from, how, and what it is for. Secrets have no flag: ``ps`` shows those."""
    return field(default=default, metadata={"variable": variable, "parse": parse, "doc": doc, "flag": flag})


@dataclass(frozen=True)
class Conf:
    """The options, parsed."""

    data: Path = option("BROKERWEB_DATA", Path("data"), _path, "directory of the SQLite file, the secret key, the lock")
    bind: str = option("BROKERWEB_BIND", "127.0.0.1:8000", _bind, "address and port to listen on")
    server: str = option("BROKERWEB_SERVER", "daphne", _server, "daphne or uvicorn")
    public_url: tuple[str, ...] = option(
        "BROKERWEB_PUBLIC_URL",
        (),
        _origins,
        "origins under which people reach the broker, comma-separated; loopback names otherwise",
    )
    trusted_proxies: tuple[Network, ...] = option(
        "BROKERWEB_TRUSTED_PROXIES", (), _networks, "addresses or networks whose forwarded headers are believed, comma-separated"
    )
    max_request_bytes: int = option(
        "BROKERWEB_MAX_REQUEST_BYTES", 8_388_608, _bytes, "largest request or WebSocket message, in bytes"
    )
    threads: int = option("BROKERWEB_THREADS", 32, _threads, "threads for the views of a Django project that includes the broker")
    lanes: int = option("BROKERWEB_LANES", 4, _lanes, "connections that commit side by side, on PostgreSQL")
    sweep_bytes: int = option(
        "BROKERWEB_SWEEP_BYTES", 1_048_576, _rate, "bytes a second that are read to find damage in what is stored; 0 for none"
    )
    min_free_bytes: int | None = option(
        "BROKERWEB_MIN_FREE_BYTES",
        None,
        _free_bytes,
        "bytes to keep free on the disk: new messages are refused below; 64 MiB otherwise, or an eighth of a small disk",
    )
    environment: environments.Environment | None = option(
        "BROKERWEB_ENVIRONMENT",
        None,
        environments.parsed,
        "what the console's pages show this broker is: a name, with a colour behind a colon if it is not prod, stage or dev",
    )
    read_only: bool = option(
        "BROKERWEB_READ_ONLY", False, _flag, "true: people may look and change nothing; programs with tokens go on"
    )
    export: bool = option(
        "BROKERWEB_EXPORT", True, _flag, "false: lists and what a search finds cannot be taken as files; looking goes on"
    )
    audit_days: int = option("BROKERWEB_AUDIT_DAYS", 365, _days, "days that the audit trail is kept")
    email_url: str = option(
        "BROKERWEB_EMAIL_URL",
        "",
        _email_url,
        "the mail server that alerts are sent by; Django's own settings otherwise",
        flag=False,
    )
    email_from: str = option(
        "BROKERWEB_EMAIL_FROM", "", _text, "whom mails of alerts are from; Django's DEFAULT_FROM_EMAIL otherwise"
    )
    mask: tuple[masking.Rule, ...] = option(
        "BROKERWEB_MASK",
        (),
        masking.parse,
        "what of messages people without the verb unmask see as •••: queue:orders.* = $.card.number, header.authorization; …",
    )
    oidc_issuer: str = option(
        "BROKERWEB_OIDC_ISSUER",
        "",
        _issuer,
        "where people sign in by OpenID Connect, beside passwords; the extra oidc has what it takes",
    )
    oidc_client_id: str = option("BROKERWEB_OIDC_CLIENT_ID", "", _text, "what the broker is called there")
    oidc_client_secret: str = option("BROKERWEB_OIDC_CLIENT_SECRET", "", _secret, "the secret of that client", flag=False)
    oidc_scopes: str = option("BROKERWEB_OIDC_SCOPES", "openid profile", _text, "what it asks for there, openid among them")
    oidc_name_claim: str = option("BROKERWEB_OIDC_NAME_CLAIM", "preferred_username", _text, "the claim with a new person's name")
    oidc_roles_claim: str = option(
        "BROKERWEB_OIDC_ROLES_CLAIM", "groups", _text, "the claim that roles follow from; dots lead into objects"
    )
    oidc_roles: str = option(
        "BROKERWEB_OIDC_ROLES",
        "",
        _text,
        "which values of it are which roles: ops=admin; shop=operator:orders.*,viewer; *=viewer. Without it people have the "
        "roles that they are given here",
    )
    database_url: str = option("DATABASE_URL", "", _text, "a PostgreSQL database; SQLite otherwise", flag=False)
    redis_url: str = option("REDIS_URL", "", _redis_url, "Redis or Valkey, by which nodes wake each other", flag=False)
    secret_key: str = option(
        "BROKERWEB_SECRET_KEY",
        "",
        _secret_key,
        "signs sessions and CSRF tokens, the same on all nodes; made at the first start otherwise, and kept with the data",
        flag=False,
    )
    admin_password: str = option(
        "BROKERWEB_ADMIN_PASSWORD",
        "",
        _secret,
        "password of the first administrator, generated otherwise; where there is no user yet",
        flag=False,
    )
    admin_token: str = option(
        "BROKERWEB_ADMIN_TOKEN",
        "",
        _secret,
        "a token that may everything, honoured at every start; generated at the first one otherwise",
        flag=False,
    )

    @property
    def host(self) -> str:
        return split_bind(self.bind)[0]

    @property
    def port(self) -> int:
        return split_bind(self.bind)[1]

    @property
    def database(self) -> Path:
        return self.data / DATABASE

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may use a session: CSRF and WebSocket handshakes."""
        return self.public_url or tuple(f"http://{name}:{self.port}" for name in LOOPBACK)

    @cached_property
    def hosts(self) -> list[str]:
        """Host names answered to. Loopback is among them always: health checks come from there."""
        named = [str(urlsplit(origin).hostname) for origin in self.public_url]
        return [f"[{name}]" if ":" in name else name for name in named] + list(LOOPBACK)

    @property
    def secure(self) -> bool:
        """Whether people come by https alone."""
        return bool(self.public_url) and all(origin.startswith("https://") for origin in self.public_url)

    @property
    def shown_host(self) -> str:
        """The bound host as it stands in a URL; a wildcard is reached on loopback."""
        if self.host in ("", "0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_loopback(self) -> bool:
        return self.host == "localhost" or self.host == "::1" or self.host.startswith("127.")

    @property
    def url(self) -> str:
        """Where a person opens the console."""
        return self.public_url[0] if self.public_url else f"http://{self.shown_host}:{self.port}"


OPTIONS = {f.name: f for f in fields(Conf)}
DECLARED = ("queues", "streams", "topics")  # in a project's ``BROKERWEB``: what ``brokerweb.routing.declared`` makes
# Who declares more, as (kind, name, settings): what ``BROKERWEB`` says of a name comes first.
declared_elsewhere: list[Callable[[], Iterable[tuple[str, str, dict[str, Any]]]]] = []


def split_bind(text: str) -> tuple[str, int]:
    """``127.0.0.1:8000`` or ``[::1]:8000`` as host and port."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535 or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


def read(environ: Mapping[str, str], settings: Mapping[str, Any] | None = None) -> Conf:
    """The options of an environment over those of a ``BROKERWEB`` dictionary. Raises BadOption."""
    chosen = {name: value for name, value in (settings or {}).items() if name not in DECLARED}
    for name in chosen:
        if name not in OPTIONS:
            raise BadOption(unknown(name))
    for name, spec in OPTIONS.items():
        if environ.get(spec.metadata["variable"], "") != "":
            chosen[name] = environ[spec.metadata["variable"]]
    return Conf(**{name: _parsed(name, value) for name, value in chosen.items()})


def _parsed(name: str, value: Any) -> Any:
    try:
        return OPTIONS[name].metadata["parse"](value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{OPTIONS[name].metadata['variable']}: {error}") from error


def unknown(name: str) -> str:
    """What to say about an option that does not exist."""
    close = difflib.get_close_matches(str(name), OPTIONS, n=1)
    return f"BROKERWEB has no option {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")


@lru_cache(maxsize=1)
def get() -> Conf:
    """This process's options. Raises BadOption."""
    from django.conf import settings

    return read(os.environ, getattr(settings, "BROKERWEB", None))


def require_server_data() -> None:
    """Raises BadOption where no server has run: there is nobody to look up."""
    options = read(os.environ)
    data = options.data.absolute()
    if not options.database_url and not (data / "lock").exists():
        raise BadOption(f"BROKERWEB_DATA: no server has run in {data}; start serve first")


def forget() -> None:
    """Read the options again at the next ``get()``."""
    get.cache_clear()


def flags() -> dict[str, str]:
    """Option name -> command-line flag, for those that have one."""
    return {name: "--" + name.replace("_", "-") for name, spec in OPTIONS.items() if spec.metadata["flag"]}


def adopt_flags(arguments: Sequence[str]) -> None:
    """Put the flags among ``arguments`` into the environment, where they win; Django's settings are read after this."""
    for name, flag in flags().items():
        for i, argument in enumerate(arguments):
            if argument.startswith(flag + "="):
                os.environ[OPTIONS[name].metadata["variable"]] = argument.partition("=")[2]
            elif argument == flag and i + 1 < len(arguments):
                os.environ[OPTIONS[name].metadata["variable"]] = arguments[i + 1]
    forget()


def adopt_given(given: Mapping[str, Any]) -> None:
    """The same for flags that a command has parsed: a project's own ``manage.py`` adopts none before its settings are read."""
    adopt_flags([f"{flag}={given[name]}" for name, flag in flags().items() if given.get(name) is not None])
