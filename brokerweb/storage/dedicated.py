"""Connections of the broker's own, beside a pool that the project has for its code.

A pool is for many threads with short transactions. The broker's threads are few, and each keeps its connection as long as it
lives: out of a pool of four, as Django's are, they would take all there is.
"""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections


def dedicate(using: str = DEFAULT_DB_ALIAS) -> None:
    """This thread has a connection by itself; to be called before it has any."""
    connection = connections[using]
    options = connection.settings_dict.get("OPTIONS", {})
    if "pool" in options:
        alone = {name: value for name, value in options.items() if name != "pool"}
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": alone}
