"""Django's tasks and those of django-tasks are used by the same names: a test run has one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from brokerweb.tasks import framework


def names(statements: Iterable[ast.stmt]) -> set[str]:
    return {alias.asname or alias.name for each in statements if isinstance(each, ast.ImportFrom) for alias in each.names}


def test_each_name_comes_from_either():
    tree = ast.parse(Path(framework.__file__).read_text())
    [either] = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    [otherwise] = either.handlers
    assert names(either.body) == names(otherwise.body) == {*framework.__all__} - {"TASK"}
