"""Django's command line, for ``manage.py`` and for the command ``brokerweb``."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack

from brokerweb.conf import BadOption, adopt_flags, require_server_data


def execute(argv: Sequence[str]) -> None:
    """Run a command with the broker's own settings, unless others are named. Ends the process where an option cannot be used."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brokerweb.settings")
    command, arguments = argv[1:2], list(argv[2:])
    if command in (["serve"], ["signin"]):
        adopt_flags(arguments)  # before Django reads settings that depend on them
    if command == ["serve"]:
        gc.disable()  # until it serves: what a start makes stays, and looking through it again and again is a fifth of the start
    with ExitStack() as left_behind:
        if command == ["demo"] or {"-h", "--help"} & set(arguments):  # the settings it reads are to make no data directory here
            os.environ["BROKERWEB_DATA"] = left_behind.enter_context(tempfile.TemporaryDirectory())
        try:
            if command == ["signin"] and not {"-h", "--help"} & set(arguments):
                require_server_data()  # before settings make a data directory with a secret key
            from django.core.management import execute_from_command_line

            execute_from_command_line(list(argv))
        except BadOption as error:
            sys.exit(f"brokerweb: {error}")
