from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class RoutingConfig(AppConfig):
    name = "brokerweb.routing"
    label = "brokerweb_routing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(_declare, sender=self)


def _declare(using: str, verbosity: int, **_: Any) -> None:
    """What the project's settings declare is there once the tables are."""
    from brokerweb.routing import declared

    if using == DEFAULT_DB_ALIAS:
        for said in declared.apply():
            if verbosity:
                print(f"  {said}")  # noqa: T201 (as migrate itself does)
