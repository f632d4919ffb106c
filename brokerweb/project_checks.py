"""System checks of what a Django project of one's own may set, and the broker cannot live with. The ids are stable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.urls import URLResolver, get_resolver
from django.urls.resolvers import LocalePrefixPattern
from django.utils.module_loading import import_string

PLACES = {"brokerweb.urls": "", "brokerweb.faces.rest.urls": "api/v1/", "brokerweb.console.urls": ""}
NEEDED = (  # by the console, in this order
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
HTMX = "django_htmx.middleware.HtmxMiddleware"  # anywhere
APPS = tuple(f"brokerweb.{name}" for name in ("identity", "cluster", "queues", "streams", "routing", "handout", "jobs"))
DOCS = "See docs/django.md."
OF_TESTS = "file:memorydb_"  # Django's own name of a test database, from which nobody wants to serve


@register()
def check_mount(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E005: under a prefix. W004: urls that nobody reaches."""
    wrong: list[CheckMessage] = []
    if (settings.FORCE_SCRIPT_NAME or "/") != "/":
        wrong.append(_prefixed(f"FORCE_SCRIPT_NAME is {settings.FORCE_SCRIPT_NAME!r}"))
    if not settings.ROOT_URLCONF:
        return wrong
    patterns = get_resolver().url_patterns
    wrong += [
        _prefixed(f"{name} is included under {prefix!r}") for name, prefix in _mounts(patterns, "") if prefix != PLACES[name]
    ]
    hidden = _behind(patterns)
    if hidden and apps.is_installed("brokerweb.console"):
        shown = ", ".join(repr(str(pattern.pattern)) for pattern in hidden[:3])
        hint = "Name the project's own before them: the console answers for every address that nothing before it does."
        wrong.append(Warning(f"urls that stand behind brokerweb.urls are never reached: {shown}", hint=hint, id="brokerweb.W004"))
    return wrong


@register()
def check_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E011: an app that the others stand on is not there, and so are its tables not."""
    missing = [name for name in APPS if not apps.is_installed(name)]
    return [Error(f"INSTALLED_APPS lacks {', '.join(missing)}", hint=DOCS, id="brokerweb.E011")] if missing else []


@register()
def check_declared(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E008: a queue, stream or topic that cannot be declared so."""
    if not (apps.is_installed("brokerweb.routing") and isinstance(getattr(settings, "BROKERWEB", {}), dict)):
        return []
    from brokerweb.routing import declared

    return [Error(what, hint=DOCS, id="brokerweb.E008") for what in declared.wrong()]


def _prefixed(what: str) -> Error:
    return Error(
        f"the broker cannot be mounted under a prefix: {what}",
        hint='Include it as path("", include("brokerweb.urls")), the project\'s own urls before it; or give it its own host.',
        id="brokerweb.E005",
    )


def _mounts(patterns: Sequence[Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Where the broker's parts are included; of what stands within one nothing more is said."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            name = _module(pattern)
            localised = isinstance(pattern.pattern, LocalePrefixPattern)
            place = prefix + ("LANGUAGE/" if localised else str(pattern.pattern).removeprefix("^"))
            if name in PLACES:
                yield name, place
            else:
                yield from _mounts(pattern.url_patterns, place)


def _module(pattern: URLResolver) -> str:
    included: Any = pattern.urlconf_name
    return included if isinstance(included, str) else getattr(included, "__name__", "")


def _behind(patterns: Sequence[Any]) -> list[Any]:
    places = [place for place, pattern in enumerate(patterns) if isinstance(pattern, URLResolver) and _module(pattern) in PLACES]
    last = next((place for place in places if _module(patterns[place]) == "brokerweb.urls"), None)
    return [] if last is None else list(patterns[last + 1 :])


@register()
def check_console(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E006: the console lacks what its pages stand on."""
    if not apps.is_installed("brokerweb.console"):
        return []
    wrong = [
        f"{name} is {path!r}" for name in ("SESSION_COOKIE_PATH", "CSRF_COOKIE_PATH") if (path := getattr(settings, name)) != "/"
    ]
    there = [_place(name) for name in NEEDED]
    wrong += [f"MIDDLEWARE lacks {name}" for name, place in zip(NEEDED, there, strict=True) if place is None]
    wrong += [f"MIDDLEWARE lacks {HTMX}"] * (_place(HTMX) is None)
    session, _, *others = there
    if session is not None and any(place is not None and place < session for place in others):
        wrong.append("MIDDLEWARE has SessionMiddleware behind what needs a session")
    return [Error(f"the console cannot work: {what}", hint=DOCS, id="brokerweb.E006") for what in wrong]


def _place(needed: str) -> int | None:
    """Where the middleware, or one made of it, stands."""
    wanted = import_string(needed)
    for place, name in enumerate(settings.MIDDLEWARE):
        found = import_string(name)
        if found is wanted or (isinstance(found, type) and issubclass(found, wanted)):
            return place
    return None


@register()
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E007: a database, or a way to it, that the broker cannot use. W003: one that is gone when the process ends."""
    wrong: list[CheckMessage] = []
    elsewhere = sorted({model._meta.label for model in _models() if not _in_default(model)})
    if elsewhere:
        shown = ", ".join(elsewhere[:3])
        wrong.append(_unusable(f"DATABASE_ROUTERS lead elsewhere than to the default database: {shown}"))
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    if not database["AUTOCOMMIT"]:
        wrong.append(_unusable("the default database has AUTOCOMMIT off"))
    name = str(database["NAME"])
    if ":memory:" in name or ("mode=memory" in name and not name.startswith(OF_TESTS)):
        hint = "Name a file; in memory it is good for tests of code that publishes."
        wrong.append(Warning("the default database is in memory: no broker can serve from it", hint=hint, id="brokerweb.W003"))
    return wrong


def _models() -> list[Any]:
    own = [config for config in apps.get_app_configs() if f"{config.name}.".startswith("brokerweb.")]
    return [get_user_model(), *(model for config in own for model in config.get_models())]


def _in_default(model: Any) -> bool:
    used = {router.db_for_read(model), router.db_for_write(model)}
    return used == {DEFAULT_DB_ALIAS} and router.allow_migrate_model(DEFAULT_DB_ALIAS, model)


def _unusable(what: str) -> Error:
    return Error(f"the broker cannot use its database: {what}", hint=DOCS, id="brokerweb.E007")
