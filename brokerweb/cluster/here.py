"""Which node this process is. Holders and members of groups name it, so no two that may live at once have the same name."""

from __future__ import annotations

import re
import secrets
import socket

EMBEDDED = "node-1"  # the only node there is, where the database has one server
_MOST = 24  # characters of the machine's name
_OTHERS = re.compile("[^A-Za-z0-9-]+")  # the name stands between slashes, and in patterns

_name = EMBEDDED


def name() -> str:
    """The name of this process's node."""
    return _name


def become(name: str) -> None:
    """A broker starts: from now on this process is that node."""
    global _name
    _name = name


def shared() -> bool:
    """Whether there may be other nodes."""
    return _name != EMBEDDED


def new_name() -> str:
    """A name that no node has had: the machine's, and something of its own."""
    machine = _OTHERS.sub("-", socket.gethostname().partition(".")[0])[:_MOST].strip("-")
    return f"{machine or 'node'}-{secrets.token_hex(3)}"
