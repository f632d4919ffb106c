"""What becomes of whatever a handler raises or returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from brokerweb.handlers.crew import Crew, Job
from brokerweb.handlers.work import Failure, Work


def run(work: Callable[[], Work]) -> Any:
    """What a crew makes of it."""

    async def main() -> Any:
        crew = Crew(2)
        crew.start()
        try:
            return await asyncio.wait_for(
                crew.run(Job(work, check=lambda tx: None, commit=lambda tx, result: None, late=lambda failure: None)), 20
            )
        finally:
            crew.stop()

    return asyncio.run(main())


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


async def awaited(call: Callable[[], Any]) -> Any:
    return call()


ERRORS = [ValueError("bug"), SystemExit(3), KeyboardInterrupt(), StopIteration(1), GeneratorExit(), asyncio.CancelledError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_function_raises_is_its_failure(error: BaseException):
    failed = run(lambda: Work(call=raising(error)))
    assert isinstance(failed, Failure)
    assert failed.error is error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_coroutine_raises_is_its_failure(error: BaseException):
    failed = run(lambda: Work(call=lambda: awaited(raising(error)), coroutine=True))
    assert isinstance(failed, Failure)
    assert type(failed.error) in (type(error), RuntimeError)  # a coroutine that raises StopIteration


def test_what_is_raised_before_it_is_a_failure_too():
    failed = run(raising(LookupError("no such task")))
    assert isinstance(failed, Failure)
    assert isinstance(failed.error, LookupError)


def test_results_come_back():
    assert run(lambda: Work(call=lambda: 7)) == 7
    assert run(lambda: Work(call=lambda: awaited(lambda: 8), coroutine=True)) == 8


def test_a_coroutine_that_nobody_awaits_is_a_failure():
    failed = run(lambda: Work(call=lambda: awaited(lambda: 8)))
    assert isinstance(failed, Failure)
    assert "write it with async def" in str(failed.error)
