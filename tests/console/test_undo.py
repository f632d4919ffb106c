"""What one click does can be taken back for a quarter of an hour, or asks before."""

from __future__ import annotations

import re

import pytest
from django.test import Client

import brokerweb.console.urls
from brokerweb.console import notes, undoing
from brokerweb.core import clock
from brokerweb.identity.models import AuditEntry
from brokerweb.queues import browse
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from tests.console.conftest import (
    append,
    declare,
    declare_group,
    declare_stream,
    declare_topic,
    kill,
    kill_records,
    person,
    publish,
    text,
)
from tests.console.test_topics import bindings

pytestmark = pytest.mark.usefixtures("database")

BUTTON = re.compile(
    r'action="(?P<url>[^"]+/undo)"[^>]*>.*?name="entry" value="(?P<entry>\d+)".*?name="back" value="(?P<back>[^"]+)".*?data-undo',
    re.DOTALL,
)


def click(browser: Client, page: str) -> str:
    """Press the note's button; the page it leads to."""
    found = BUTTON.search(page)
    assert found is not None, page
    return text(browser.post(found["url"], {"entry": found["entry"], "back": found["back"].replace("&amp;", "&")}, follow=True))


def dead(queue: str = "orders") -> int:
    declare(queue)
    publish(queue, 1)
    [message] = kill(queue, "bad")
    return message


def requeue(browser: Client, message: int, back: str = "/dead?queue=orders") -> str:
    return text(browser.post(f"/queues/orders/messages/{message}/requeue", {"back": back}, follow=True))


def audited() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target"))


def test_a_message_put_back_from_a_list_is_taken_back_there(client):
    message = dead()
    was = Message.objects.values().get()
    page = requeue(client, message)
    assert f"Message {message} is back in orders." in page
    page = click(client, page)
    assert f"Undone: message {message} is as it was before." in page
    assert f'id="d-{message}"' in page
    assert Message.objects.values().get() == was
    target = f"queue:orders/{message}"
    assert audited() == [("message.requeue", target), ("message.undo_requeue", target)]


def test_what_was_handed_out_since_is_not_taken_back_and_the_page_says_why(client):
    message = dead()
    page = requeue(client, message)
    kill("orders", "again")
    page = click(client, page)
    assert "was handed out, moved or deleted meanwhile: nothing is undone." in page
    assert "<code>conflict</code>" in page
    assert Message.objects.get().last_error == "again"
    assert len(audited()) == 1


def test_the_note_says_what_was_done_in_the_title_and_is_gone_with_the_next_page(client):
    page = requeue(client, dead())
    assert re.search(r"<title>Message \d+ is back in orders\. · Dead letters · brokerweb</title>", page)
    page = text(client.get("/dead"))
    assert "data-undo" not in page
    assert "<title>Dead letters · brokerweb</title>" in page


def test_the_time_for_it_ends(client, monkeypatch):
    page = requeue(client, dead())
    now = clock.wall() + clock.seconds(undoing.WITHIN + 1)
    monkeypatch.setattr(clock, "wall", lambda: now)
    assert "can be undone for 15 minutes, which have passed" in click(client, page)
    assert Message.objects.get().state == State.READY


@pytest.mark.parametrize("entry", ["", "0", "-1", "x", "9" * 30, "1"])
def test_only_what_is_ones_own_is_taken_back(client, entry):
    message = dead()
    requeue(client, message)
    other = person(("*", ["browse", "manage"]), name="other")
    page = text(other.post(f"/queues/orders/messages/{message}/requeue/undo", {"entry": entry}, follow=True))
    assert "There is nothing of yours to undo here." in page
    assert Message.objects.get().state == State.READY


def test_the_right_may_be_gone_by_then(client):
    viewer = person(("orders", ["browse"]))
    assert viewer.post(f"/queues/orders/messages/{dead()}/requeue/undo", {"entry": "1"}).status_code == 403


def test_an_entry_takes_back_nothing_else(client):
    message = dead()
    requeue(client, message)
    [entry] = AuditEntry.objects.all()
    declare_topic()
    for place in ("/queues/orders/messages/77/requeue/undo", "/queues/orders/resume/undo", "/topics/shop/unbind/undo"):
        assert "nothing of yours to undo" in text(client.post(place, {"entry": entry.pk}, follow=True)), place


def test_a_record_of_a_group_is_taken_back(client):
    declare_stream()
    declare_group("mailing", kind="shared")
    append("events", 1)
    [message] = kill_records("events", "mailing", "bad")
    was = Message.objects.values().get()
    place = "/streams/events/groups/mailing/dead"
    page = text(client.post(f"{place}/{message}/requeue", {"back": place}, follow=True))
    assert Message.objects.get().state == State.READY
    assert f"Undone: {message} is as it was before." in click(client, page)
    assert Message.objects.values().get() == was


def test_a_binding_is_back_at_its_place(client):
    declare("orders")
    patterns = ["a.*", "b.#", "c"]
    declare_topic("shop", **dict.fromkeys(patterns, "queue:orders"))
    was = bindings()
    page = text(client.post("/topics/shop/unbind", {"pattern": "b.#", "to": "queue:orders", "headers": "{}"}, follow=True))
    assert len(bindings()) == 2
    again = BUTTON.search(page)
    assert "Undone: bound again." in click(client, page)
    assert bindings() == was
    assert again is not None
    assert "The topic has this binding already." in text(client.post(again["url"], {"entry": again["entry"]}, follow=True))


def test_a_binding_comes_back_only_for_who_may_publish_there(database):
    declare("orders")
    declare_topic("shop", a="queue:orders")
    manager = person(("shop", ["browse", "manage"]))
    page = text(manager.post("/topics/shop/unbind", {"pattern": "a", "to": "queue:orders", "headers": "{}"}, follow=True))
    assert "publish on queue:orders is not among your grants" in click(manager, page)
    assert bindings() == []


def test_a_queue_that_was_resumed_is_paused_as_it_was(client):
    declare("orders")
    client.post("/queues/orders/pause", {"reason": "maintenance"})
    was = browse.find("orders")
    page = text(client.post("/queues/orders/resume", follow=True))
    assert "Undone: paused as it was." in click(client, page)
    now = browse.find("orders")
    assert (now.paused_at, now.paused_by, now.pause_reason) == (was.paused_at, "admin", "maintenance")
    assert "data-undo" not in text(client.post("/queues/orders/settings", {"lease": "30"}, follow=True))


def test_resuming_what_was_not_paused_offers_nothing(client):
    declare("orders")
    assert "data-undo" not in text(client.post("/queues/orders/resume", follow=True))


def test_notes_of_the_projects_own_have_no_button(client):
    for tags in ("safe", "brokerweb-undo", "brokerweb-undo|/x", "brokerweb-undo|/x|1|2", None, ""):
        assert notes.offered(tags) is None


ASKED_FIRST_OR_HARMLESS = {
    "theme": "a choice of one's own",
    "zone": "a choice of one's own",
    "hide-steps": "a choice of one's own",
    "list-look": "a choice of one's own",
    "save-view": "a form that is filled in",
    "change-view": "a form that is filled in",
    "begin-alert-silence": "a form that is filled in",
    "end-alert-silence": "whoever is told then can begin another; the trail has it",
    "try-alert-channel": "sends what says that it is a test",
    "forget-template": "takes a name from what a form holds, which the trail has",
    "delete-view": "takes a name from an address, which the trail has; the list stays",
    "signout": "ends what one may do",
    "oidc-link": "a form that is filled in, behind a page that says what it is of",
    "unlink": "one links again as before",
    "undo": "takes a seek back, which had a preview",
    "undo-job": "takes back what a plan was shown of",
}


def test_every_act_of_one_click_has_an_undo():
    """What answers to POST alone acts at once: it has a counterpart, or a reason here. All others show a page first."""
    patterns = [(str(each.name), example(str(each.pattern))) for each in brokerweb.console.urls.urlpatterns]
    names = {name for name, place in patterns if Client().get(place).status_code == 405}
    undos = {name for name in names if name.endswith(("undo-requeue", "undo-resume", "undo-unbind"))}
    acts = names - undos - set(ASKED_FIRST_OR_HARMLESS)
    assert acts == {name.replace("undo-", "") for name in undos}


def example(pattern: str) -> str:
    values = {"a_name": "x", "row_id": "1", "slug": "x", "str": "x"}
    return "/" + re.sub(r"<(\w+):\w+>", lambda found: values[found[1]], pattern)
