"""The broker's settings on a PostgreSQL that a test has started: for Django's migrations, as nothing else runs there yet."""

import os

from psycopg.conninfo import conninfo_to_dict

from tests.settings import *

_dsn = conninfo_to_dict(os.environ["BROKERWEB_TEST_POSTGRES"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _dsn["dbname"],
        "HOST": _dsn["host"],
        "USER": _dsn["user"],
    }
}
