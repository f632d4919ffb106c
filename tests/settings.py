"""The broker's settings for tests: a data directory of their own, removed at the end."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

_data = Path(tempfile.mkdtemp(prefix="brokerweb-tests-"))
atexit.register(shutil.rmtree, _data, ignore_errors=True)

with mock.patch.dict(os.environ, {"BROKERWEB_DATA": str(_data)}):
    from brokerweb.settings import *  # noqa: F403

BROKERWEB = {"data": str(_data)}
# A file, not memory: the committer and the tests use connections of their own.
DATABASES["default"]["TEST"] = {"NAME": str(_data / "test.sqlite3")}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; no test is about hashing
