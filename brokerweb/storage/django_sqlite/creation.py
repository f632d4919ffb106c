"""Test databases: in memory as Django's own SQLite has them, also where pytest-django runs tests side by side."""

from __future__ import annotations

from django.db.backends.sqlite3.creation import DatabaseCreation as StockCreation


class DatabaseCreation(StockCreation):
    def _get_test_db_name(self) -> str:
        # pytest-django names the database of each process "test_NAME_gw0", except on Django's own engine, by whose name it
        # knows that there is nothing to tell apart. Of a path that makes a folder that is not there.
        settings = self.connection.settings_dict
        if str(settings["TEST"]["NAME"] or "").startswith(f"test_{settings['NAME']}_"):
            settings["TEST"]["NAME"] = None
        return str(super()._get_test_db_name())  # type: ignore[misc]  # the stubs do not know it
