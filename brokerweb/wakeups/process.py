"""The hints of a process in which no broker runs, such as a project's web server or a command of it.

Its thread begins with the first hint, in each process anew where servers fork, and what is still to be told when the process ends
has a second for it.
"""

from __future__ import annotations

import atexit
import os
import secrets

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core import events
from brokerweb.wakeups import choosing, node
from brokerweb.wakeups.sender import Sender

GOODBYE = 1.0  # seconds at the end for what is still to be told

_sender: Sender | None = None


def install() -> None:
    """From now on tell of this process's commits; once a process, when Django is set up."""
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        events.listen(_committed)
        os.register_at_fork(after_in_child=forget)
        atexit.register(_goodbye)


def forget() -> None:
    """Begin anew: the thread of another process, or of other settings, is not ours."""
    global _sender
    _sender = None


def _committed(outcome: events.Outcome) -> None:
    global _sender
    if node.current is not None:  # a broker runs here, and tells of it
        return
    if _sender is None:
        carrier = choosing.chosen()
        if carrier is None:
            return
        _sender = Sender(carrier, secrets.token_hex(4))
    _sender(outcome)


def _goodbye() -> None:
    if _sender is not None:
        _sender.flush(GOODBYE)
