"""The broker's settings for tests: a data directory of their own, removed at the end."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock


def _folder() -> str | None:
    """Memory, where there is room in it: every commit waits for the disk, and what stands there after a power cut is asked of
    servers alone."""
    memory = Path("/dev/shm")
    is_there = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30
    return str(memory) if is_there else None


_data = Path(tempfile.mkdtemp(prefix="brokerweb-tests-", dir=_folder()))
atexit.register(shutil.rmtree, _data, ignore_errors=True)

with mock.patch.dict(os.environ, {"BROKERWEB_DATA": str(_data)}):
    from brokerweb.settings import *

BROKERWEB = {"data": str(_data)}
# A file, not memory: the committer and the tests use connections of their own.
DATABASES["default"]["TEST"] = {"NAME": str(_data / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; no test is about hashing
