"""The pages behind Access: people, invitations, who may what, tokens and their use."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from brokerweb import conf
from brokerweb.console import use
from brokerweb.core import clock
from brokerweb.identity import people, token_use, tokens
from brokerweb.identity.models import AuditEntry, Grant
from brokerweb.identity.principal import broker_itself
from brokerweb.identity.roles import role_of
from brokerweb.identity.token_use import Use
from brokerweb.identity.users import principal_of
from tests.console.conftest import person, text

pytestmark = pytest.mark.usefixtures("database")
PASSWORD = "correct horse battery staple"


def made(client, name="ada", role="operator", pattern="orders.*"):
    return client.post("/new/user", {"name": name, "role-0": role, "pattern-0": pattern})


def link_in(answer) -> str:
    found = re.search(r'id="secret"[^>]*>http://testserver(/invitation/[^<]+)<', text(answer))
    assert found is not None
    return unescape(found[1])


def accept(link: str, password: str = PASSWORD, again: str | None = None):
    browser = Client()
    return browser, browser.post(link, {"password": password, "again": password if again is None else again})


def test_a_person_is_made_and_comes_in_by_the_link_that_is_shown_once(client):
    answer = made(client)
    link = link_in(answer)
    assert "Send it to them now" in text(answer)
    assert link not in text(client.get("/users")) + text(client.get("/users/ada")) + text(client.get("/audit"))
    assert "Welcome, ada" in text(Client().get(link))
    browser, done = accept(link)
    assert done["Location"] == "/"
    assert browser.get("/queues").status_code == 200
    assert browser.get("/users").status_code == 403
    assert Client().get(link).status_code == 401
    row = text(client.get("/users"))
    assert "operator" in row
    assert "by password" in row


def test_who_looks_at_people_is_there_now(client):
    made(client)
    page = text(client.get("/users"))
    assert '<td class="wide soft">now</td>' in page
    assert page.count("never") == 1, "of whom nobody has seen yet"
    assert "<dt>Last seen</dt><dd>now</dd>" in text(client.get("/users/admin"))
    ada, _ = accept(link_in(made(client, "bob")))
    assert ada.get("/queues").status_code == 200
    assert re.search(r"<dt>Last seen</dt><dd><time [^>]*>[^<]* ?s</time> ago</dd>", text(client.get("/users/bob")))


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [("short", None, "too short"), (PASSWORD, "another", "not the same"), ("1234567890", None, "too common")],
)
def test_a_password_that_will_not_do_is_told_why(client, password, again, said):
    link = link_in(made(client))
    _, refused = accept(link, password, again)
    assert (refused.status_code, said in text(refused)) == (400, True)
    assert 'name="password"' in text(refused)
    assert not get_user_model().objects.get(username="ada").has_usable_password()


def test_an_invitation_works_where_people_only_look(client, monkeypatch):
    link = link_in(made(client))
    monkeypatch.setenv("BROKERWEB_READ_ONLY", "true")
    conf.forget()
    try:
        browser, done = accept(link)
        assert done.status_code == 302
        assert browser.get("/queues").status_code == 200
        assert "/new/user" not in text(client.get("/users"))
        assert client.post("/users/ada", {}).status_code == 403
    finally:
        monkeypatch.undo()
        conf.forget()


def test_what_they_may_is_changed_in_rows_and_refused_in_them(client):
    made(client)
    page = text(client.get("/users/ada"))
    assert 'value="orders.*"' in page
    fields = {"role-0": "viewer", "pattern-0": "*", "role-1": "operator", "pattern-1": "a b", "active": "on"}
    refused = client.post("/users/ada", fields)
    assert (refused.status_code, 'id="pattern-1-error"' in text(refused)) == (400, True)
    more = client.post("/users/ada", {**fields, "more": "1"})
    assert 'name="pattern-2"' in text(more)
    done = client.post("/users/ada", {**fields, "pattern-1": "queue:a.*"}, follow=True)
    assert "that has ended" in text(done)
    assert {role_of(permit) for permit in people.permits_of(people.find("ada"))} == {"viewer", "operator"}


def test_of_two_who_change_a_person_at_once_the_second_is_told(client):
    made(client)
    seen = client.get("/users/ada").context["form"].initial["seen"]
    people.change(broker_itself(), "ada", {"grants": [{"role": "viewer", "pattern": "mine"}]})
    late = {"role-0": "operator", "pattern-0": "*", "active": "on", "seen": seen}

    refused = client.post("/users/ada", late)

    assert (refused.status_code, "The settings were changed meanwhile. Save again" in text(refused)) == (400, True)
    assert "Changed meanwhile: viewer on mine." in text(refused)
    assert [permit.pattern for permit in people.permits_of(people.find("ada"))] == ["mine"]
    again = late | {"seen": refused.context["form"]["seen"].value()}
    people.change(broker_itself(), "ada", {"active": False})
    refused = client.post("/users/ada", again)
    assert "Changed meanwhile: False." in text(refused)
    assert client.post("/users/ada", late | {"seen": refused.context["form"]["seen"].value()}).status_code == 302
    assert [permit.pattern for permit in people.permits_of(people.find("ada"))] == ["*"]


def test_verbs_that_make_no_role_survive_a_change(client):
    made(client)
    user = get_user_model().objects.get(username="ada")
    Grant.objects.filter(user=user).delete()
    Grant.objects.create(user=user, kind="queue", pattern="a.*", verbs=["publish", "consume"])
    page = text(client.get("/users/ada"))
    assert '<option value="publish,consume" selected>' in page
    client.post(
        "/users/ada",
        {"role-0": "publish,consume", "pattern-0": "queue:a.*", "role-1": "viewer", "pattern-1": "b", "active": "on"},
    )
    assert sorted(Grant.objects.filter(user=user).values_list("pattern", flat=True)) == ["a.*", "b"]


def test_the_last_administrator_is_told_so(client):
    refused = client.post("/users/admin", {"role-0": "viewer", "pattern-0": "*", "active": "on"})
    assert (refused.status_code, "last administrator" in text(refused)) == (400, True)
    told = client.post("/users/admin/delete", follow=True)
    assert "last administrator" in text(told)
    assert get_user_model().objects.filter(username="admin").exists()


def test_deleting_says_what_stays(client):
    made(client)
    maker = get_user_model().objects.get(username="ada")
    tokens.store(principal_of(maker), "shop", [])
    page = text(client.get("/users/ada/delete"))
    assert "cannot sign in any more" in page
    assert "1 that they made stays good" in page
    client.post("/users/ada/delete")
    assert not get_user_model().objects.filter(username="ada").exists()
    assert AuditEntry.objects.filter(action="user.delete", target="user:ada").exists()


@pytest.mark.parametrize(
    "place",
    [
        "/users",
        "/new/user",
        "/users/admin",
        "/users/admin/invite",
        "/users/admin/delete",
        "/users/admin/unlink",
        "/access",
        "/definitions",
        "/definitions.json",
    ],
)
def test_people_are_the_administrators_affair(admin, place):
    viewer = person(("*", ["publish", "consume", "browse", "manage", "monitor"]))
    maker = person(("orders.*", ["admin"]), name="maker")
    for browser in (viewer, maker):
        assert browser.get(place).status_code == 403
        assert browser.post(place).status_code in (403, 405)


def test_everybody_sees_their_own_account(client):
    viewer = person(("orders.*", ["browse"]), ("logs", ["consume"]), name="vi")
    page = " ".join(text(viewer.get("/account")).split())
    for words in ("Your account", "viewer <span", "<code>orders.*</code>", "consume <span"):
        assert words in page
    assert "?link=1" not in page, "where no provider is set there is nothing to link"
    assert viewer.post("/account").status_code == 405
    assert 'href="/account"' in text(viewer.get("/queues"))


# Who may what


@pytest.mark.parametrize(
    ("verb", "to", "yes", "said"),
    [
        ("publish", "queue:orders.eu", True, "operator"),
        ("publish", "queue:other", False, "no grant covers that name"),
        ("consume", "queue:orders.eu", False, "gives other verbs"),
        ("admin", "", False, "may not administer"),
    ],
)
def test_the_answer_names_the_grant_that_says_so(client, verb, to, yes, said):
    made(client)
    page = text(client.get("/access", {"who": "user:ada", "verb": verb, "to": to}))
    assert (">yes<" in page, ">no<" in page) == (yes, not yes)
    assert said in page


def test_a_token_is_asked_about_too_and_one_that_is_revoked_gets_nothing(client):
    token = tokens.create(broker_itself(), {"name": "shop", "grants": [{"pattern": "orders", "verbs": ["publish"]}]}).token
    asked = {"who": f"token:{token.pk}", "verb": "publish", "to": "queue:orders"}
    assert "Yes: shop may publish on queue:orders" in text(client.get("/access", asked))
    tokens.revoke(broker_itself(), token.pk)
    assert "No: shop was revoked" in text(client.get("/access", asked))


@pytest.mark.parametrize(
    "asked",
    [
        {"who": "user:nobody"},
        {"who": "token:x"},
        {"who": "user:admin", "verb": "rule"},
        {"who": "user:admin", "verb": "browse", "to": "x"},
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(client, asked):
    assert client.get("/access", asked).status_code == 400


# Tokens


def test_the_days_of_a_token_are_drawn_and_told(client):
    token = tokens.create(broker_itself(), {"name": "shop", "grants": []}).token
    for minute in (0, 1, 2):
        token_use.note(token.pk, clock.wall() - clock.seconds(86_400) + clock.seconds(60 * minute))
    page = text(client.get(f"/tokens/{token.pk}"))
    assert "Used on" in page
    assert '<svg class="use large"' in page
    assert page.count('<tr><th scope="row">') == token_use.DAYS
    assert '<svg class="use"' in text(client.get("/tokens"))
    assert client.get("/tokens/999999").status_code == 404


def test_the_bars_are_the_figures():
    days = [Use(n * clock.seconds(86_400), minutes) for n, minutes in enumerate([0, 10, 40, 0, 1])]
    drawn = use.path(days)
    bars = {int(x) // use.WIDE: int(height) for x, height in re.findall(r"M(\d+) 1000v-(\d+)", drawn)}
    assert bars == {1: 250, 2: 1000, 4: use.STROKE}
    assert len(use.path([Use(0, 1440)] * token_use.DAYS)) < 1000
    assert use.path([Use(0, 0)]) == ""
