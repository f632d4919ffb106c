"""Acts on many messages, asked for as a client does, and killed on the way."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.identity.principal import Principal, broker_itself
from brokerweb.jobs import bulk_request, chunks, control, failures, operations, selecting, undoing
from brokerweb.jobs.models import Job
from brokerweb.queues import duties as of_queues
from brokerweb.queues import fingerprints
from brokerweb.queues.models import Message
from brokerweb.queues.states import REJECTED
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from tests.jobs.bench import Runner

BAD = fingerprints.of(REJECTED, "bad")


def asked(action: str, select: dict[str, Any], **more: Any) -> bulk_request.BulkRequest:
    return bulk_request.parse({"action": action, "select": select, **more})


def start(action: str, select: dict[str, Any], principal: Principal | None = None, **more: Any) -> Job:
    request = asked(action, select, **more)
    chosen = read(selecting.resolve, principal or broker_itself(), request)
    total = read(selecting.total, request, chosen)
    return perform(operations.create, request, chosen, by="me", total=total)


def undo(job: Job) -> Job:
    return perform(undoing.create, job.pk, by="me")


def everything() -> list[dict[str, Any]]:
    """But for how they came to be where they stand, which concerns claims alone."""
    columns = [field.attname for field in Message._meta.concrete_fields if field.attname != "returned"]
    return [dict(row) for row in Message.objects.order_by("id").values(*columns)]


def failed(job: Job) -> list[tuple[str, str, str]]:
    return [(item.destination, item.item, item.code) for item in failures.listing(control.get(job.pk)).items]


def promote_due(tx: Any) -> None:
    of_queues.promote(tx)


def with_a_crash(runner: Runner, monkeypatch: pytest.MonkeyPatch, job: Job, at: int) -> None:
    if at:
        runner.rounds(at)  # the process ends after these commits
    advance = chunks._advance

    def dies(*args: Any) -> None:
        advance(*args)
        raise RuntimeError("killed before the commit")

    with monkeypatch.context() as killing:
        killing.setattr(chunks, "_advance", dies)
        if control.get(job.pk).finished_at is None:
            with pytest.raises(RuntimeError):
                perform(chunks.run, job.pk)
    runner.until_finished(job)
