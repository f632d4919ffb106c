"""Signing in by OpenID Connect at a real provider, in a thread: who somebody is, what they may, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from brokerweb import conf
from brokerweb.core.errors import Invalid
from brokerweb.faces.http.django import DjangoHttp
from brokerweb.identity import oidc, people, vouched
from brokerweb.identity.models import AuditEntry, Grant, Person
from brokerweb.identity.oidc import Vouched
from tests.identity.test_people import able

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the provider's library uses of another's
    import oidc_provider_mock

pytestmark = pytest.mark.django_db(transaction=True)


class Provider:
    """A provider, and what came to its token endpoint."""

    def __init__(self, server: Any) -> None:
        self.url = f"http://localhost:{server.server_port}"
        self.asked: list[dict[str, str]] = []
        self.jwks: str | None = None  # in place of its own
        app = server.app
        app.before_request(self._note)
        app.after_request(self._answer)

    def _note(self) -> None:
        from flask import request

        if request.path == "/oauth2/token":
            self.asked.append(dict(request.form))

    def _answer(self, response: Any) -> Any:
        from flask import request

        if request.path == "/jwks" and self.jwks is not None:
            response.set_data(self.jwks)
        return response

    def has(self, subject: str, **claims: Any) -> None:
        assert httpx.put(f"{self.url}/users/{quote(subject)}", json=claims).status_code == 204


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield Provider(server)


@pytest.fixture
def provider(running: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    configure(monkeypatch, ISSUER=running.url, CLIENT_ID="brokerweb", CLIENT_SECRET="a secret")
    running.asked.clear()
    yield running
    running.jwks = None
    monkeypatch.undo()
    conf.forget()


def configure(monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    for name, value in options.items():
        monkeypatch.setenv(f"BROKERWEB_OIDC_{name}", value)
    conf.forget()


def sign_in(browser: Client, subject: str, *, changed: Callable[[str], str] = str, action: str = "authorize") -> Any:
    """To the provider, where somebody agrees, and back."""
    begun = browser.get("/sign-in/oidc", {"next": "/queues"})
    assert begun.status_code == 302, begun.content
    agreed = httpx.post(changed(begun["Location"]), data={"sub": subject, "action": action})
    place = urlsplit(agreed.headers["Location"])
    state = "" if "state=" in place.query else "&" + (re.findall(r"state=[^&]+", begun["Location"])[0])  # which it leaves off
    return browser.get(f"{place.path}?{place.query}{state}")


def said(answer: Any) -> str:
    return str(answer.content, "utf-8")


def test_who_is_vouched_for_is_made_and_known_again(provider):
    provider.has("s-1", preferred_username="ada", groups=["shop"])
    browser = Client()
    assert 'href="/sign-in/oidc"' in said(Client().get("/sign-in"))
    answer = sign_in(browser, "s-1")
    assert (answer.status_code, answer["Location"]) == (302, "/queues")
    assert browser.get("/queues").status_code == 200
    person = Person.objects.get()
    assert (person.user.username, person.issuer, person.subject) == ("ada", provider.url, "s-1")
    assert not person.user.has_usable_password()
    provider.has("s-1", preferred_username="renamed")
    sign_in(Client(), "s-1")
    assert [user.username for user in User.objects.all()] == ["ada"]
    assert [e.detail for e in AuditEntry.objects.filter(action="user.sign_in")] == [{"by": "oidc"}] * 2


@pytest.mark.parametrize(
    "claims",
    [{"preferred_username": "ada"}, {"preferred_username": "ADA"}, {"email": "ada@example.org", "preferred_username": "ada"}],
)
def test_an_equal_name_or_address_makes_nobody_another(provider, claims):
    ada = User.objects.create_superuser("ada", email="ada@example.org", password="a long enough password")
    provider.has("s-2", email_verified=True, **claims)
    sign_in(Client(), "s-2")
    other = Person.objects.get(subject="s-2").user
    assert other.pk != ada.pk
    assert re.fullmatch(r"(?i)ada-[0-9a-f]{8}", other.username)
    assert people.permits_of(people.find(other.username)) == ()


def test_what_a_name_cannot_be_is_left_out(provider):
    provider.has("s-3", preferred_username="../<b>ä b</b>/")
    sign_in(Client(), "s-3")
    assert "/" not in Person.objects.get().user.username
    provider.has("s-4", preferred_username="///")
    sign_in(Client(), "s-4")
    assert Person.objects.get(subject="s-4").user.username.startswith("person-")


def test_roles_follow_the_claim_at_every_sign_in(provider, monkeypatch):
    configure(monkeypatch, ROLES="ops=admin; shop=operator:orders.*,viewer:queue:x.*")
    browser = Client()
    provider.has("s-5", preferred_username="ada", groups=["shop", "other"])
    sign_in(browser, "s-5")
    assert [(g["role"], g["pattern"]) for g in people.as_json(people.find("ada"))["grants"]] == [
        ("operator", "orders.*"),
        ("viewer", "queue:x.*"),
    ]
    provider.has("s-5", preferred_username="ada", groups=["ops"])
    elsewhere = Client()
    sign_in(elsewhere, "s-5")
    assert people.as_json(people.find("ada"))["role"] == "admin"
    assert elsewhere.get("/users").status_code == 200
    assert browser.get("/queues").status_code == 302  # where they had other roles it has ended
    sign_in(Client(), "s-5")
    assert elsewhere.get("/users").status_code == 200  # nothing changed


def test_who_has_no_role_any_more_is_not_let_in_and_has_none(provider, monkeypatch):
    configure(monkeypatch, ROLES="shop=operator")
    provider.has("s-6", preferred_username="ada", groups="shop")
    sign_in(Client(), "s-6")
    provider.has("s-6", preferred_username="ada", groups=["*"])
    answer = sign_in(Client(), "s-6")
    assert (answer.status_code, "has no role here" in said(answer)) == (403, True)
    assert not Grant.objects.exists()


def test_without_a_mapping_roles_are_given_here_and_stay(root, provider):
    able(root, "boss")
    provider.has("s-7", preferred_username="ada")
    sign_in(Client(), "s-7")
    people.change(root, "ada", {"role": "operator"})
    sign_in(Client(), "s-7")
    assert people.as_json(people.find("ada"))["role"] == "operator"


def test_who_is_deactivated_here_stays_out(root, provider):
    able(root, "boss")
    provider.has("s-8", preferred_username="ada")
    sign_in(Client(), "s-8")
    people.change(root, "ada", {"active": False})
    browser = Client()
    answer = sign_in(browser, "s-8")
    assert (answer.status_code, "is deactivated here" in said(answer)) == (403, True)
    assert browser.get("/queues").status_code == 302


def test_the_way_has_state_nonce_and_the_proof_of_whoever_began_it(provider):
    provider.has("s-9", preferred_username="ada")
    asked: dict[str, list[str]] = {}

    def look(url: str) -> str:
        asked.update(parse_qs(urlsplit(url).query))
        return url

    browser = Client()
    sign_in(browser, "s-9", changed=look)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert len(asked["state"][0]) > 20
    assert len(asked["nonce"][0]) >= 20
    verifier = provider.asked[0]["code_verifier"].encode()
    assert base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode() == asked["code_challenge"][0]
    cookie = Client().get("/sign-in/oidc").cookies[oidc.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", "/sign-in/oidc", 600)


def refused(answer: Any, words: str) -> None:
    assert (answer.status_code, words in said(answer)) == (401, True), said(answer)
    assert not User.objects.exists()
    assert "sessionid" not in answer.cookies


def test_a_sign_in_that_another_browser_began_is_refused(provider):
    mine, theirs = Client(), Client()
    theirs.get("/sign-in/oidc")
    begun = mine.get("/sign-in/oidc")
    place = urlsplit(httpx.post(begun["Location"], data={"sub": "s-10"}).headers["Location"])
    refused(theirs.get(f"{place.path}?{place.query}"), "begun in another browser")
    refused(Client().get(f"{place.path}?{place.query}"), "begun in another browser")
    refused(Client().get("/sign-in/oidc/back"), "begun in another browser")


def test_a_token_for_another_sign_in_is_refused(provider):
    refused(sign_in(Client(), "s-11", changed=lambda url: re.sub(r"nonce=[^&]+", "nonce=another", url)), "did not confirm")


def test_a_token_that_another_key_signed_is_refused(provider):
    modulus = b"\xff" + secrets.token_bytes(255)  # of 2048 bits, whatever is drawn
    other = {"kty": "RSA", "n": base64.urlsafe_b64encode(modulus).rstrip(b"=").decode(), "e": "AQAB"}
    provider.jwks = json.dumps({"keys": [other]})
    refused(sign_in(Client(), "s-12"), "did not confirm")


def test_a_code_counts_once(provider):
    browser = Client()
    begun = browser.get("/sign-in/oidc")
    kept = browser.cookies[oidc.COOKIE].value
    place = urlsplit(httpx.post(begun["Location"], data={"sub": "s-13"}).headers["Location"])
    assert browser.get(f"{place.path}?{place.query}").status_code == 302
    again = Client()
    again.cookies[oidc.COOKIE] = kept
    assert again.get(f"{place.path}?{place.query}").status_code == 401


def test_what_the_provider_refuses_is_told(provider):
    refused(sign_in(Client(), "s-14", action="deny"), "access_denied")


def test_a_provider_that_does_not_answer_keeps_nobody_with_a_password_out(root, provider, monkeypatch):
    able(root, "ada")
    configure(monkeypatch, ISSUER="http://127.0.0.1:9")
    answer = Client().get("/sign-in/oidc")
    assert (answer.status_code, "does not answer" in said(answer)) == (503, True)
    assert Client().post("/sign-in", {"username": "ada", "password": "a long enough password"}).status_code == 302


def test_one_that_calls_itself_otherwise_is_none(provider, monkeypatch):
    configure(monkeypatch, ISSUER=provider.url.replace("localhost", "LOCALHOST"))
    assert Client().get("/sign-in/oidc").status_code == 401


def test_no_sign_in_leads_elsewhere(provider):
    provider.has("s-15", preferred_username="ada")
    for place in ("https://evil.example", "//evil.example"):
        browser = Client()
        begun = browser.get("/sign-in/oidc", {"next": place})
        back = urlsplit(httpx.post(begun["Location"], data={"sub": "s-15"}).headers["Location"])
        assert browser.get(f"{back.path}?{back.query}")["Location"] == "/"


def test_without_an_issuer_there_is_no_such_page_and_no_button(root):
    assert "/sign-in/oidc" not in said(Client().get("/sign-in"))
    assert Client().get("/sign-in/oidc").status_code == 302


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"groups": ["a", 1, "*", "b"]}, "groups", ["a", "b"]),
        ({"groups": "a"}, "groups", ["a"]),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"]),
        ({"https://x.example/roles": ["a"]}, "https://x.example/roles", ["a"]),
        ({"realm_access": ["a"]}, "realm_access.roles", []),
        ({}, "groups", []),
    ],
)
def test_a_claim_is_a_text_or_a_list_of_some(claims, name, values):
    assert oidc.said(claims, name) == values


@pytest.mark.parametrize("text", ["ops", "=admin", "ops=", "ops=owner", "ops=viewer:a b"])
def test_a_mapping_that_makes_no_sense_is_told_before_a_start(provider, monkeypatch, text):
    with pytest.raises((ValueError, Invalid)):
        oidc.mapping(text)
    configure(monkeypatch, ROLES=text, CLIENT_SECRET="", SCOPES="profile")
    found = "; ".join(oidc.wrong())
    assert all(name in found for name in ("OIDC_ROLES", "CLIENT_SECRET", "no openid"))


@pytest.mark.parametrize(
    "text", ["http://login.example", "ftp://x", "login.example", "https://a@b.example", "https://b.example?x=1"]
)
def test_an_issuer_is_https_or_on_loopback(text):
    with pytest.raises(conf.BadOption):
        conf.read({"BROKERWEB_OIDC_ISSUER": text})
    assert conf.read({"BROKERWEB_OIDC_ISSUER": "http://localhost:9400"}).oidc_issuer


def test_a_name_of_dots_and_slashes_is_none_that_an_address_would_lose(root):
    assert vouched._free_name(Vouched("https://a.example", "s", "/..", {})).startswith("person-")
    assert vouched._free_name(Vouched("https://a.example", "s", "/../ada", {})) == "ada"


def test_what_waits_for_a_provider_has_threads_of_its_own():
    django = DjangoHttp()
    paths = [f"/broker/sign-in/{path}" for path in ("oidc", "oidc/back", "link")]
    threads = [django._threads_for({"path": path, "method": "GET"}) for path in paths]
    assert threads == [django._outside, django._outside, django._readers]
