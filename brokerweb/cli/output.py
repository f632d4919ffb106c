"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json as codec
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
WIDE = 10_000  # where nobody looks, nothing is cut to the width of a screen


def console() -> Console:
    """Standard output, with colour where it is a terminal."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDE)


def print_json(value: Any) -> None:
    """One JSON text."""
    sys.stdout.write(codec.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_line(value: Any) -> None:
    """One JSON text in one line, at once: for what goes on and on."""
    sys.stdout.write(codec.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def show_list(found: Sequence[Any], columns: Mapping[str, Callable[[Any], Any]], *, empty: str, json: bool) -> None:
    """What a list has, a column for each function; ``empty`` where it has nothing. Numbers stand to the right."""
    out = console()
    if json:
        print_json(found)
    elif not found:
        out.print(Text(empty, style="dim"))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        cells = [[value(item) for value in columns.values()] for item in found]
        for i, column in enumerate(columns):
            numeric = all(isinstance(row[i], int | float) for row in cells)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(shown(value)) for value in row))
        out.print(table)


def show_fields(values: Mapping[str, Any], *, json: bool) -> None:
    """One thing: a name and a value a line."""
    if json:
        return print_json(values)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in values.items():
        table.add_row(name, Text(shown(value)))
    return console().print(table)


def counted(n: int, thing: str) -> str:
    """A number of things: 1 message, 2 messages."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else codec.dumps(value, ensure_ascii=False)
