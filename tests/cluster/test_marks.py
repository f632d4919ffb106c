"""Marks: noted in the commit of what they tell, and not for ever."""

from __future__ import annotations

import pytest

from brokerweb.cluster import marks
from brokerweb.cluster.models import Mark
from brokerweb.core import clock
from brokerweb.queues import control
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_undone_is_not_marked():
    def paused(tx: Transaction) -> None:
        control.declare(tx, "orders", {})
        control.pause(tx, "orders", reason="", by="me")
        raise KeyError

    with pytest.raises(KeyError):
        perform(paused)
    assert not Mark.objects.exists()


def test_old_marks_go_and_those_beyond_so_many(monkeypatch: pytest.MonkeyPatch):
    now = clock.wall()
    for days in (40, 31, 29, 2, 1):
        perform(marks.note, "note", f"{days} days ago", at=now - clock.seconds(86_400 * days))
    assert perform(marks.forget, 1) == 1
    assert perform(marks.forget) == 1
    assert list(Mark.objects.order_by("id").values_list("text", flat=True)) == ["29 days ago", "2 days ago", "1 days ago"]
    monkeypatch.setattr(marks, "KEPT", 2)
    perform(marks.forget)
    assert list(Mark.objects.order_by("id").values_list("text", flat=True)) == ["2 days ago", "1 days ago"]
