"""How a task is run: what its definition, the backend's OPTIONS or its enqueueing say of attempts, waits and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, TypeAlias

from brokerweb.queues.limits import MAX_DELAY
from brokerweb.queues.settings import YEAR

DAY = 86_400.0
Backoff: TypeAlias = float | Sequence[float] | Callable[[BaseException, Any], float | None]
Text: TypeAlias = str | Callable[..., str | None]


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations are seconds. What is None is the queue's: its ``max_failures``, its ``backoff``; ``timeout`` has no default."""

    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    atomic: bool = False

    def wait(self, failures: int, error: BaseException, result: Any) -> float | None:
        """Seconds until the next attempt after so many failures; None to leave it to the queue. Raises GiveUp."""
        if self.backoff is None:
            return None
        if callable(self.backoff):
            wait = self.backoff(error, result)
            if wait is None:
                raise GiveUp
            return min(max(0.0, float(wait)), MAX_DELAY)
        if isinstance(self.backoff, Sequence):
            return float(self.backoff[min(failures, len(self.backoff)) - 1])
        return float(self.backoff)


class GiveUp(Exception):
    """A task's ``backoff`` says that no further attempt will help."""


@dataclass(frozen=True, slots=True)
class Options:
    """The backend's OPTIONS: how long results are kept, and terms of tasks that say nothing else."""

    result_ttl: float = DAY
    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    atomic: bool = False

    @property
    def terms(self) -> Terms:
        return Terms(self.max_attempts, self.backoff, self.timeout, self.atomic)


def options(given: Mapping[str, Any]) -> tuple[Options, list[str]]:
    """OPTIONS as far as they can be used, and what is wrong with the others."""
    found, wrong = Options(), []
    for name, value in given.items():
        if name not in Options.__dataclass_fields__:
            wrong.append(f"there is no option {name!r}; there are {', '.join(Options.__dataclass_fields__)}")
        elif rule := broken(name, value):
            wrong.append(f"{name} is {value!r}, and must be {rule}")
        elif value is not None:
            found = replace(found, **{name: value})
    return found, wrong


def terms_of(task: Any, defaults: Terms) -> Terms:
    """The terms of a task, of whichever class, with those of its backend where it says nothing."""
    said = {name: getattr(task, name, None) for name in Terms.__dataclass_fields__}
    return replace(defaults, **{name: value for name, value in said.items() if value is not None})


def broken(name: str, value: Any) -> str | None:
    """The rule that a value of a term breaks, in words; None where it keeps it, and always for None."""
    rule, keeps = _RULES[name]
    return None if value is None or keeps(value) else rule


def _number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and low <= value <= high


def _delay(value: Any) -> bool:
    return _number(value, 0, MAX_DELAY)


def _backoff(value: Any) -> bool:
    if callable(value) or _delay(value):
        return True
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and bool(value) and all(map(_delay, value))


def _text(value: Any) -> bool:
    return isinstance(value, str) or callable(value)


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "result_ttl": (f"seconds from 1 to {YEAR}", lambda value: _number(value, 1, YEAR)),
    "max_attempts": ("a whole number from 1 to 1000000", lambda value: isinstance(value, int) and _number(value, 1, 1_000_000)),
    "backoff": ("seconds up to 366 days, a list of such, or a function of the exception and the result", _backoff),
    "timeout": ("seconds, more than 0", lambda value: _number(value, 0, YEAR) and value > 0),
    "atomic": ("True or False", lambda value: isinstance(value, bool)),
    "key": ("a text, or a function of the task's arguments", _text),
    "dedup_id": ("a text, or a function of the task's arguments", _text),
}
