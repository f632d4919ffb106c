"""The queues of tasks that a project's TASKS names, which ``migrate`` and ``serve`` make beside those of BROKERWEB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from brokerweb.conf import declared_elsewhere
from brokerweb.core.errors import BrokerError
from brokerweb.core.names import check_name

if TYPE_CHECKING:
    from brokerweb.tasks.backend import Backend

OURS = ("brokerweb.tasks.Backend", "brokerweb.tasks.backend.Backend")


def install() -> None:
    """From now on they are declared; once a process, when Django is set up."""
    declared_elsewhere.append(queues)
    register(check_framework)
    if _named() and framework():
        from brokerweb.tasks.framework import checks  # noqa: F401 (which registers Django's own check of TASKS)


def backends() -> list[Backend]:
    """Those of TASKS that are ours, or made of it."""
    if not (given := _given()) or not framework():
        return []
    from brokerweb.tasks.backend import Backend
    from brokerweb.tasks.framework import task_backends

    found = []
    for alias, params in given.items():
        try:
            kind = import_string(params["BACKEND"])
        except (ImportError, KeyError, TypeError):  # Django says so itself
            continue
        if isinstance(kind, type) and issubclass(kind, Backend):
            found.append(cast("Backend", task_backends[alias]))
    return found


def queues() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is declared: kind, name and settings. A name that cannot be is left to ``check``."""
    for backend in backends():
        for name in sorted(map(str, backend.queues)):
            try:
                yield "queues", check_name(name), backend.queue_settings
            except BrokerError:
                continue


def framework() -> bool:
    """Whether there are tasks at all: Django's, from 6.0 on, or those of the package django-tasks."""
    return any(find_spec(name) is not None for name in ("django.tasks", "django_tasks"))


def _given() -> Mapping[str, Any]:
    given = getattr(settings, "TASKS", None)
    return given if isinstance(given, Mapping) else {}


def _named() -> bool:
    return any(isinstance(params, Mapping) and params.get("BACKEND") in OURS for params in _given().values())


def check_framework(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E010, where nobody would read TASKS."""
    if not _named() or framework():
        return []
    hint = 'Install the package "django-tasks", or brokerweb[tasks], or use Django 6.0 or newer.'
    return [Error("TASKS has brokerweb.tasks.Backend, and this Django has no tasks", hint=hint, id="brokerweb.E010")]
