"""A person who is here and their name at a real provider made one: on purpose, by both, and by nobody else."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from brokerweb.core.errors import Conflict, Invalid
from brokerweb.identity import invitations, linking, people
from brokerweb.identity.models import AuditEntry, Person
from tests.console.conftest import HOSTILE
from tests.console.test_security import assert_nothing_runs
from tests.identity.test_oidc import Provider, configure, provider, running, said, sign_in
from tests.identity.test_people import PASSWORD, able, session_of

__all__ = ["provider", "running"]
pytestmark = pytest.mark.django_db(transaction=True)


def go(browser: Client, subject: str, **query: str) -> Any:
    """To the provider with that in the address, agreed there by ``subject``, and back: the page that asks."""
    begun = browser.get("/sign-in/oidc", query)
    if begun.status_code != 302 or not begun["Location"].startswith("http"):
        return begun
    agreed = urlsplit(httpx.post(begun["Location"], data={"sub": subject, "action": "authorize"}).headers["Location"])
    state = "" if "state=" in agreed.query else "&" + re.findall(r"state=[^&]+", begun["Location"])[0]
    return browser.get(f"{agreed.path}?{agreed.query}{state}")


def offer_in(page: Any) -> str:
    found = re.search(r'name="offer" value="([^"]+)"', said(page))
    assert found is not None, said(page)
    return unescape(found[1])


def agree(browser: Client, page: Any, password: str = PASSWORD) -> Any:
    return browser.post("/sign-in/oidc/link", {"offer": offer_in(page), "password": password}, follow=True)


def known_as(name: str) -> tuple[str | None, str | None]:
    person = Person.objects.filter(user__username=name).first()
    return (person.issuer, person.subject) if person else (None, None)


def test_who_is_signed_in_links_and_signs_in_there_from_then_on(root, provider: Provider):
    provider.has("l-1", preferred_username="ada.l")
    browser = session_of(able(root, "ada"))
    assert "?link=1" in said(browser.get("/account"))
    asked = go(browser, "l-1", link="1")
    for words in ("ada.l", "l-1", provider.url, "Your password here"):
        assert words in said(asked)
    assert known_as("ada") == (None, None), "it is shown before it counts"
    done = agree(browser, asked)
    assert "Linked." in said(done)
    assert known_as("ada") == (provider.url, "l-1")
    elsewhere = Client()
    sign_in(elsewhere, "l-1")
    assert elsewhere.get("/users").status_code == 200, "as ada, with what she may"
    assert [user.username for user in User.objects.all()] == ["ada"]
    assert Client().post("/sign-in", {"username": "ada", "password": PASSWORD}).status_code == 302, "her password goes on"
    entry = AuditEntry.objects.get(action="user.link")
    assert (entry.actor, entry.target, entry.detail["before"]) == ("ada", "user:ada", {})
    assert entry.detail["after"] == {"issuer": provider.url, "subject": "l-1", "name": "ada.l"}


def test_without_the_password_nothing_is_linked(root, provider: Provider):
    browser = session_of(able(root, "ada"))
    asked = go(browser, "l-2", link="1")
    refused = agree(browser, asked, "another password")
    assert (refused.status_code, "That is not your password." in said(refused)) == (400, True)
    assert known_as("ada") == (None, None)
    assert [(e.actor, e.detail) for e in AuditEntry.objects.filter(action="user.sign_in_failed")] == [
        ("ada", {"by": "password", "for": "user.link"})
    ]
    for _ in range(12):
        refused = agree(browser, asked, "another password") if 'name="offer"' in said(refused) else refused
    assert "rate_limited" in said(refused) or "locked" in said(refused), "guesses are counted"
    assert known_as("ada") == (None, None)


def test_what_somebody_else_began_is_not_linked_to_me(root, provider: Provider):
    mine, theirs = session_of(able(root, "ada")), session_of(able(root, "mallory"))
    asked = go(theirs, "l-3", link="1")
    refused = agree(mine, asked)
    assert "begun by somebody else" in said(refused)
    stranger = Client().post("/sign-in/oidc/link", {"offer": offer_in(asked), "password": PASSWORD})
    assert (stranger.status_code, "begun by somebody else" in said(stranger)) == (401, True)
    for offer in ("", "nothing", offer_in(asked)[:-3] + "abc"):
        answer = mine.post("/sign-in/oidc/link", {"offer": offer, "password": PASSWORD}, follow=True)
        assert "begin again" in said(answer)
    assert not Person.objects.exclude(subject=None).exists()


def test_a_way_back_that_was_begun_to_link_signs_nobody_in(root, provider: Provider):
    browser = session_of(able(root, "ada"))
    begun = browser.get("/sign-in/oidc", {"link": "1"})
    browser.post("/sign-out")
    agreed = urlsplit(httpx.post(begun["Location"], data={"sub": "l-4", "action": "authorize"}).headers["Location"])
    state = "" if "state=" in agreed.query else "&" + re.findall(r"state=[^&]+", begun["Location"])[0]
    answer = browser.get(f"{agreed.path}?{agreed.query}{state}")
    assert (answer.status_code, "begun by somebody else" in said(answer)) == (401, True)
    assert browser.get("/queues").status_code == 302
    assert [user.username for user in User.objects.all()] == ["ada"]
    assert Client().get("/sign-in/oidc", {"link": "1"}).status_code == 401


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_name_that_a_provider_gives_stays_text(root, provider: Provider, hostile: str):
    provider.has("l-16", preferred_username=hostile)
    browser = session_of(able(root, "ada"))
    asked = go(browser, "l-16", link="1")
    assert_nothing_runs(said(asked))
    assert_nothing_runs(said(agree(browser, asked)))


def test_it_counts_by_post_and_with_the_forms_token_alone(root, provider: Provider):
    ada = able(root, "ada")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    asked = go(browser, "l-5", link="1")
    assert browser.get("/sign-in/oidc/link", {"offer": offer_in(asked)}).status_code == 405
    assert browser.post("/sign-in/oidc/link", {"offer": offer_in(asked), "password": PASSWORD}).status_code == 403
    assert known_as("ada") == (None, None)


def test_who_is_known_there_as_another_or_linked_already_is_refused(root, provider: Provider):
    provider.has("l-6", preferred_username="eve")
    sign_in(Client(), "l-6")
    browser = session_of(able(root, "ada"))
    go(browser, "l-6", link="1")
    assert "Whoever signs in there as that is eve here." in said(browser.get("/account"))
    agree(browser, go(browser, "l-7", link="1"))
    browser.get("/sign-in/oidc", {"link": "1"})
    assert "ada is linked already" in said(browser.get("/account"))
    assert known_as("ada") == (provider.url, "l-7")
    assert known_as("eve") == (provider.url, "l-6")


def test_of_two_who_link_the_same_at_once_one_is_refused(root, provider: Provider):
    for name in ("ada", "bob"):
        able(root, name)
    browsers = {name: session_of(User.objects.get(username=name)) for name in ("ada", "bob")}
    pages = {name: go(browser, "l-8", link="1") for name, browser in browsers.items()}
    agree(browsers["ada"], pages["ada"])
    assert "Whoever signs in there as that is ada here." in said(agree(browsers["bob"], pages["bob"]))
    assert known_as("bob") == (None, None)


def test_a_user_of_the_project_is_never_linked(root, provider: Provider, monkeypatch):
    ada, boss = able(root, "ada"), User.objects.create_user("boss", password=PASSWORD, is_staff=True)
    browser = session_of(boss)
    asked = go(browser, "l-9", link="1")
    monkeypatch.setattr(people, "OWN_URLS", "another")  # from now on this is a project of somebody else's
    assert linking.purpose_of(ada).startswith("link:"), "whom the broker made it may link"
    assert "a user of the project" in said(agree(browser, asked)), "nor by what was begun before"
    browser.get("/sign-in/oidc", {"link": "1"})
    page = said(browser.get("/account"))
    assert "boss is a user of the project" in page
    assert "?link=1" not in page
    assert known_as("boss") == (None, None)


def test_one_unlinks_oneself_and_all_other_sessions_end(root, provider: Provider):
    browser = session_of(able(root, "ada"))
    agree(browser, go(browser, "l-9", link="1"))
    elsewhere = Client()
    sign_in(elsewhere, "l-9")
    assert "Unlinked." in said(browser.post("/account/unlink", follow=True))
    assert browser.get("/queues").status_code == 200
    assert elsewhere.get("/queues").status_code == 302
    assert known_as("ada") == (None, None)
    entry = AuditEntry.objects.get(action="user.unlink")
    assert (entry.actor, entry.detail["before"], entry.detail["after"]) == ("ada", {"issuer": provider.url}, {})
    provider.has("l-9", preferred_username="ada")
    sign_in(Client(), "l-9")
    assert people.permits_of(people.find(Person.objects.get(subject="l-9").user.username)) == (), "somebody new, who may nothing"


def test_who_has_no_password_does_not_lock_themselves_out(root, provider: Provider):
    able(root, "boss")
    provider.has("l-10", preferred_username="eve")
    browser = Client()
    sign_in(browser, "l-10")
    assert "/account/unlink" not in said(browser.get("/account"))
    assert "You have no password" in said(browser.post("/account/unlink", follow=True))
    assert known_as("eve") == (provider.url, "l-10")


def test_an_administrator_unlinks_but_not_the_last_one(root, provider: Provider):
    browser = session_of(able(root, "ada"))
    provider.has("l-11", preferred_username="eve")
    theirs = Client()
    sign_in(theirs, "l-11")
    assert provider.url in said(browser.get("/users/eve/unlink"))
    assert "eve is unlinked" in said(browser.post("/users/eve/unlink", follow=True))
    assert known_as("eve") == (None, None)
    assert theirs.get("/queues").status_code == 302
    assert AuditEntry.objects.filter(action="user.change", target="user:eve").get().detail["before"] == {"issuer": provider.url}
    people.change(root, "eve", {"role": "admin"})
    Person.objects.filter(user__username="eve").update(issuer=provider.url, subject="l-11")
    people.remove(root, "ada")
    with pytest.raises(Conflict, match="last administrator"):
        people.change(root, "eve", {"issuer": None})
    with pytest.raises(Invalid):
        people.change(root, "eve", {"issuer": "https://login.example"})


def test_an_invitation_is_used_up_by_signing_in_there(root, provider: Provider):
    made = people.create(root, {"name": "ada", "role": "operator"})
    provider.has("l-12", preferred_username="somebody")
    browser = Client()
    place = invitations.path_of(made.code)
    assert f"?invitation={made.code}" in said(browser.get(place))
    asked = go(browser, "l-12", invitation=made.code)
    assert "Join as ada" in said(asked)
    assert "somebody" in said(asked)
    assert browser.get("/queues").status_code == 302, "it is shown before it counts"
    agree(browser, asked)
    assert browser.get("/queues").status_code == 200
    assert known_as("ada") == (provider.url, "l-12")
    assert people.as_json(people.find("ada"))["role"] == "operator"
    assert Client().get(place).status_code == 401, "it is used up"
    assert agree(Client(), asked).status_code == 401
    assert [entry.action for entry in AuditEntry.objects.filter(target="user:ada").order_by("id")] == [
        "user.create",
        "user.link",
        "user.sign_in",
    ]


def test_an_invitation_takes_the_password_that_was_there(root, provider: Provider):
    able(root, "ada", "viewer")
    asked = go(browser := Client(), "l-17", invitation=people.invite(root, "ada").code)
    agree(browser, asked)
    assert known_as("ada") == (provider.url, "l-17")
    assert Client().post("/sign-in", {"username": "ada", "password": PASSWORD}).status_code == 401


def test_an_invitation_that_another_took_the_place_of_meanwhile_joins_nobody(root, provider: Provider, monkeypatch):
    made = people.create(root, {"name": "ada", "role": "viewer"})
    asked = go(Client(), "l-18", invitation=made.code)
    people.invite(root, "ada")
    monkeypatch.setattr(linking, "_invited", lambda code, address: people.find("ada"))  # as it was read before that
    assert agree(Client(), asked).status_code == 401
    assert known_as("ada") == (None, None)


@pytest.mark.parametrize("code", ["bwi_nothing", "x"])
def test_an_invitation_that_is_none_leads_nowhere(root, provider: Provider, code: str):
    answer = Client().get("/sign-in/oidc", {"invitation": code})
    assert (answer.status_code, "unknown, used or older" in said(answer)) == (401, True)


def test_with_a_mapping_it_is_said_what_one_may_then_and_no_role_is_refused(root, provider: Provider, monkeypatch):
    configure(monkeypatch, ROLES="shop=operator:orders.*")
    provider.has("l-13", preferred_username="ada.l", groups=[*(f"group-{n:040}" for n in range(1_000)), "shop"])
    provider.has("l-14", preferred_username="nobody", groups=[])
    able(root, "boss")
    browser = session_of(able(root, "ada", "viewer"))
    go(browser, "l-14", link="1")
    assert "gives nobody no role here" in said(browser.get("/account"))
    asked = go(browser, "l-13", link="1")
    assert "orders.*" in said(asked)
    agree(browser, asked)
    sign_in(Client(), "l-13")
    assert [(g["role"], g["pattern"]) for g in people.as_json(people.find("ada"))["grants"]] == [("operator", "orders.*")]


def test_a_claim_does_not_take_the_last_administrator_who_has_a_password(root, provider: Provider, monkeypatch):
    browser = session_of(able(root, "ada"))
    configure(monkeypatch, ROLES="shop=viewer")
    provider.has("l-15", preferred_username="ada.l", groups=["shop"])
    agree(browser, go(browser, "l-15", link="1"))
    refused = sign_in(Client(), "l-15")
    assert (refused.status_code, "last administrator" in said(refused)) == (409, True)
    assert people.as_json(people.find("ada"))["role"] == "admin"
