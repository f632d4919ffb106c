from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class RoutingConfig(AppConfig):
    name = "brokerweb.routing"
    label = "brokerweb_routing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from brokerweb.identity import audit, masks

        audit.read_by(_settings)
        masks.lead_by(_leads)
        post_migrate.connect(_declare, sender=self)


def _settings(kind: str, name: str) -> Mapping[str, Any] | None:
    """For the audit trail."""
    from brokerweb.routing import declared

    return declared.settings_of(kind, name)


def _leads(topic: str) -> Iterable[tuple[str, str]]:
    """Where it leads, for masks."""
    from brokerweb.routing.models import Binding

    bound = Binding.objects.filter(topic__name=topic).values_list("to", flat=True).distinct()
    return [(kind, name) for kind, _, name in (to.partition(":") for to in bound)]


def _declare(using: str, verbosity: int, **_: Any) -> None:
    """What the project's settings declare is there once the tables are."""
    from brokerweb.routing import declared

    if using == DEFAULT_DB_ALIAS:
        for said in declared.apply():
            if verbosity:
                print(f"  {said}")  # noqa: T201 (as migrate itself does)
