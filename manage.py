#!/usr/bin/env python3
"""Django's entry point; ``manage.py serve`` is the broker."""

import os
import sys
import tempfile
from contextlib import ExitStack

from django.core.management import execute_from_command_line

from brokerweb.conf import BadOption, adopt_flags, require_server_data

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brokerweb.settings")
    if sys.argv[1:2] in (["serve"], ["signin"]):
        adopt_flags(sys.argv[2:])  # before Django reads settings that depend on them
    with ExitStack() as left_behind:
        if sys.argv[1:2] == ["demo"]:  # the settings it reads are to make no data directory here
            os.environ["BROKERWEB_DATA"] = left_behind.enter_context(tempfile.TemporaryDirectory())
        try:
            if sys.argv[1:2] == ["signin"] and not {"-h", "--help"} & set(sys.argv):
                require_server_data()  # before settings make a data directory with a secret key
            execute_from_command_line(sys.argv)
        except BadOption as error:
            sys.exit(f"brokerweb: {error}")
