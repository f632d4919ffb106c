"""As much of Helm's templates as the chart uses: values, if, with, include, a few functions. Anything else is an error.

There is no Helm to ask on the machines that run these tests; what is written stays within this, or this learns more.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

_TAG = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)


class Chart:
    """A chart's folder, rendered with its own values and those that are given over them."""

    def __init__(self, folder: Path, release: str = "broker", **values: Any) -> None:
        self.folder = folder
        self.values: dict[str, Any] = {**yaml.safe_load((folder / "values.yaml").read_text()), **values}
        self.root = {"Values": self.values, "Release": {"Name": release}}
        self.named: dict[str, list[Any]] = {}
        self.render("_helpers.tpl")  # which prints nothing, and defines what others include

    def objects(self) -> dict[str, Any]:
        """Every object the chart makes, by its kind."""
        made: dict[str, Any] = {}
        for path in sorted((self.folder / "templates").glob("*.yaml")):
            for found in yaml.safe_load_all(self.render(path.name)):
                if found is not None:
                    assert found["kind"] not in made
                    made[found["kind"]] = found
        return made

    def render(self, name: str) -> str:
        """One template as text."""
        body, rest = _block(_tokens((self.folder / "templates" / name).read_text()))
        assert rest == [], f"{name}: an end too many"
        return self._print(body, self.root)

    def _print(self, body: list[Any], dot: Any) -> str:
        return "".join(part if isinstance(part, str) else self._action(part[0], part[1], dot) for part in body)

    def _action(self, text: str, inner: list[Any] | None, dot: Any) -> str:
        word, _, argument = text.partition(" ")
        if word == "define":
            self.named[json.loads(argument)] = inner or []
            return ""
        if word in ("if", "with"):
            value = self._value(argument, dot)
            return self._print(inner or [], value if word == "with" else dot) if value else ""
        value = self._value(text, dot)
        assert value is not None, f"{text}: there is no such value"
        return json.dumps(value) if isinstance(value, bool) else str(value)

    def _value(self, text: str, dot: Any) -> Any:
        value: Any = None
        for n, step in enumerate(text.split(" | ")):
            word, *arguments = shlex.split(step)
            given = [self._term(argument, dot) for argument in arguments]
            value = self._call(word, given if n == 0 else [*given, value], dot)
        return value

    def _call(self, word: str, given: list[Any], dot: Any) -> Any:
        match word:
            case "include":
                return self._print(self.named[given[0]], given[1])
            case "toYaml":
                return yaml.safe_dump(given[0], sort_keys=False).rstrip("\n")
            case "nindent":
                return "".join("\n" + " " * int(given[0]) + line for line in given[1].splitlines())
            case "quote":
                return json.dumps(str(given[0]))
            case "printf":
                return given[0] % tuple(given[1:])
        assert not given, f"{word}: not among the functions that the chart uses"
        return self._term(word, dot)

    def _term(self, word: str, dot: Any) -> Any:
        if not word.startswith("."):
            return word
        value = self.root if word.startswith((".Values", ".Release")) else dot
        for name in filter(None, word.split(".")):
            value = value[name]
        return value


def _tokens(text: str) -> list[Any]:
    """Texts, and what stands in braces as a tuple of one; a dash takes the white space beside it away."""
    tokens: list[Any] = []
    start = 0
    trimmed = False
    for found in _TAG.finditer(text):
        before = text[start : found.start()]
        before = before.lstrip() if trimmed else before
        tokens += [before.rstrip() if found[1] else before, (found[2],)]
        start, trimmed = found.end(), bool(found[3])
    return [*tokens, text[start:].lstrip() if trimmed else text[start:]]


def _block(tokens: list[Any]) -> tuple[list[Any], list[Any]]:
    """What comes until this block's end, and what is behind that."""
    body: list[Any] = []
    while tokens:
        token, *tokens = tokens
        if isinstance(token, str):
            body.append(token)
        elif token[0] == "end":
            return body, tokens
        elif token[0].split()[0] in ("if", "with", "define"):
            inner, tokens = _block(tokens)
            body.append((token[0], inner))
        else:
            body.append((token[0], None))
    return body, tokens
