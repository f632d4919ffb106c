"""The audit trail ends after the days that the operator says, in turns."""

from __future__ import annotations

import pytest

from brokerweb import conf
from brokerweb.core import clock
from brokerweb.identity import audit, duties, trail
from brokerweb.identity.models import AuditEntry

DAY = clock.seconds(86_400)


@pytest.mark.django_db
def test_it_is_kept_for_its_days_and_ends_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "TURN", 2)
    monkeypatch.setenv("BROKERWEB_AUDIT_DAYS", "7")
    conf.forget()
    try:
        for _ in range(3):
            audit.record("ada", "queue.purge", "queue:orders")
        assert not duties.forget_old(clock.now() + 6 * DAY)
        assert AuditEntry.objects.count() == 3
        assert duties.forget_old(clock.now() + 8 * DAY)
        assert AuditEntry.objects.count() == 1
        assert not duties.forget_old(clock.now() + 8 * DAY)
        assert AuditEntry.objects.count() == 0
    finally:
        conf.forget()


@pytest.mark.django_db
def test_filters_take_no_name_for_another() -> None:
    for target in ("queue:orders", "queue:orders/7", "queue:Orders/7", "queue:orders-2", "queue:order_/1"):
        audit.record("ada", "queue.purge", target)
    found = trail.listing(trail.Asked(target="queue:orders"))
    assert [entry.target for entry in found] == ["queue:orders/7", "queue:orders"]
    assert not trail.listing(trail.Asked(action="que")).exists()
    assert trail.listing(trail.Asked(action="queue", who="ada")).count() == 5
