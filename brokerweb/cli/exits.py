"""How commands end: the statuses that scripts may rely on."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console

REFUSED = 1  # by the broker, with a code; or something that was looked at is not in order
USAGE = 2  # as click has it: the command was not understood
UNREACHABLE = 3  # no broker answers
FORBIDDEN = 4  # the token is wrong, or may not do that
NOT_FOUND = 5
CLOSED = 141  # as a shell says of SIGPIPE: whoever read the output is gone
HELP = (
    "Exit statuses: 0 done, 1 refused or not in order, 2 not understood, 3 no broker answers, 4 not allowed, 5 not found, "
    "130 ended by Ctrl-C, 141 by a reader that is gone, 143 by SIGTERM."
)

_errors = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(message: str, status: int = REFUSED) -> NoReturn:
    """Say why on stderr, and end with that status."""
    _errors.print("[red]brokerweb:[/red] ", end="")
    _errors.print(message, markup=False)
    raise typer.Exit(status)


def note(message: str) -> None:
    """For people, beside what is printed for programs."""
    _errors.print(message, markup=False)
