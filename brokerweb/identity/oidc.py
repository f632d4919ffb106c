"""Signing in by OpenID Connect: the authorization code flow with state, nonce and PKCE, by Authlib.

What a sign-in began with is kept by the browser, signed, for ten minutes: strangers make no sessions. Who somebody is follows
from a token that the provider signed; who that is here, and what they may, is ``vouched``'s.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from django.core import signing

from brokerweb import conf
from brokerweb.core.errors import Unauthenticated, Unavailable
from brokerweb.identity import roles
from brokerweb.identity.grants import Permit

log = logging.getLogger(__name__)
LASTS = 600  # seconds from the beginning of a sign-in to its end
COOKIE = "brokerweb_oidc"
SALT = "brokerweb.identity.oidc"
TIMEOUT = 10  # seconds for an answer of the provider
FRESH = 3600  # seconds that what the provider says of itself is believed
# By the provider's key alone: neither by none nor by the client's secret.
SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_mutex = threading.Lock()
_known: tuple[conf.Conf, float, Any] | None = None


class Vouched(NamedTuple):
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    name: str  # what they are called there; may be no name of ours
    claims: Mapping[str, Any]


class Begun(NamedTuple):
    """Where to send the browser, and what it is to bring back with it."""

    url: str
    kept: str


class Ended(NamedTuple):
    """Who came back, where that leads to, and what it was begun for: nothing to sign in."""

    one: Vouched
    place: str
    purpose: str


def is_offered() -> bool:
    """Whether people may sign in so."""
    return bool(conf.get().oidc_issuer)


def wrong() -> list[str]:
    """What is wrong with the settings; they are checked before every start."""
    options = conf.get()
    if not options.oidc_issuer:
        return []
    found = [] if is_installed() else ["BROKERWEB_OIDC_ISSUER: the extra is not installed: pip install 'brokerweb[oidc]'"]
    for variable, value in (("CLIENT_ID", options.oidc_client_id), ("CLIENT_SECRET", options.oidc_client_secret)):
        if not value:
            found.append(f"BROKERWEB_OIDC_{variable} is needed with BROKERWEB_OIDC_ISSUER")
    if "openid" not in options.oidc_scopes.split():
        found.append("BROKERWEB_OIDC_SCOPES has no openid")
    try:
        mapping(options.oidc_roles)
    except Exception as error:
        found.append(f"BROKERWEB_OIDC_ROLES: {error}")
    return found


def is_installed() -> bool:
    """Whether what it takes is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("authlib", "requests"))


# The flow


def begin(redirect_uri: str, place: str, purpose: str = "") -> Begun:
    """A way there and back begins; ``place`` is where it leads to in the end. Raises Unavailable where the provider does not
    answer.
    """
    with _telling("cannot be asked"):
        made = _app().create_authorization_url(redirect_uri)
    kept = {name: made[name] for name in ("state", "nonce", "code_verifier")}
    kept |= {"redirect_uri": redirect_uri, "next": place, "purpose": purpose}
    return Begun(str(made["url"]), signing.dumps(kept, salt=SALT))


def end(query: Mapping[str, str], kept: str) -> Ended:
    """Who came back from the provider, and for what. Raises Unauthenticated, Unavailable."""
    begun = _begun(kept, query.get("state", ""))
    if error := query.get("error"):
        log.info("an OpenID Connect sign-in was refused: %s", error[:100])
        raise Unauthenticated(f"the sign-in service refused ({error[:100]})")
    app = _app()
    with _telling("did not confirm the sign-in"):
        asked = {"code": query.get("code", ""), "code_verifier": begun["code_verifier"], "state": begun["state"]}
        token = app.fetch_access_token(redirect_uri=begun["redirect_uri"], **asked)
        expected = {
            "iss": {"values": [app.load_server_metadata()["issuer"]]},
            "aud": {"essential": True, "values": [app.client_id]},
        }
        claims = app.parse_id_token(token, nonce=begun["nonce"], claims_options=expected)
        if not claims or not claims.get("sub"):
            raise ValueError("its answer has no token that says who that is")
        claims = {**_more(app, token, claims), **claims}
    name = claims.get(conf.get().oidc_name_claim)
    one = Vouched(str(claims["iss"]), str(claims["sub"]), str(name or ""), claims)
    return Ended(one, begun["next"], begun["purpose"])


def _begun(kept: str, state: str) -> dict[str, str]:
    try:
        begun: dict[str, str] = signing.loads(kept, salt=SALT, max_age=LASTS)
    except signing.BadSignature:
        begun = {}
    if not state or begun.get("state") != state:
        raise Unauthenticated("the sign-in was begun in another browser, or more than ten minutes ago")
    return begun


def _more(app: Any, token: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the provider says of them beside the token, where that lacks what is asked for."""
    options = conf.get()
    asked = [options.oidc_name_claim, *([options.oidc_roles_claim.partition(".")[0]] if options.oidc_roles else [])]
    if all(name in claims for name in asked) or not app.load_server_metadata().get("userinfo_endpoint"):
        return {}
    found: Mapping[str, Any] = app.userinfo(token=token)
    if found.get("sub") != claims["sub"]:
        raise ValueError("it tells of somebody else")
    return found


class _telling:  # noqa: N801 (a block's word)
    """What goes wrong with the provider is told without its details, which are logged."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, Unavailable | Unauthenticated):
            return
        import requests  # late: an extra

        log.warning("OpenID Connect: the provider %s: %s: %s", self.what, type(error).__name__, str(error)[:500])
        if isinstance(error, requests.RequestException):
            raise Unavailable("the sign-in service does not answer as it should") from error
        raise Unauthenticated(f"the sign-in service {self.what}") from error


def _app() -> Any:
    """The client, which knows what the provider says of itself for an hour."""
    global _known
    options = conf.get()
    with _mutex:
        if _known is not None and _known[0] is options and time.monotonic() - _known[1] < FRESH:
            return _known[2]
    app = _new_app(options)
    with _mutex:
        _known = options, time.monotonic(), app
    return app


def _new_app(options: conf.Conf) -> Any:
    app = _app_class()(
        None,
        client_id=options.oidc_client_id,
        client_secret=options.oidc_client_secret,
        server_metadata_url=f"{options.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": options.oidc_scopes, "code_challenge_method": "S256", "default_timeout": TIMEOUT},
    )
    with _telling("cannot be asked"):
        says = app.load_server_metadata()
        if says.get("issuer", "").rstrip("/") != options.oidc_issuer.rstrip("/"):
            raise ValueError(f"it says that it is {says.get('issuer')!r}")
    offered = says.get("id_token_signing_alg_values_supported") or ["RS256"]
    says["id_token_signing_alg_values_supported"] = [name for name in offered if name in SIGNED_BY]
    ways = says.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" not in ways and "client_secret_post" in ways:
        app.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"  # noqa: S105 (a way, no secret)
    return app


@cache
def _app_class() -> Any:
    base = importlib.import_module("authlib.integrations.base_client")  # late, and untyped: an extra
    session = importlib.import_module("authlib.integrations.requests_client").OAuth2Session
    return type("App", (base.OAuth2Mixin, base.OpenIDMixin, base.BaseApp), {"client_cls": session})


# Roles


def mapping(text: str) -> dict[str, list[Permit]]:
    """``ops=admin; shop=operator:orders.*,viewer`` as grants by value of the claim; ``*`` is everybody's.

    Raises ValueError, Invalid.
    """
    found: dict[str, list[Permit]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        value, equals, given = part.rpartition("=")
        if not equals or not value.strip() or not given.strip():
            raise ValueError(f"{part!r} is not VALUE=ROLE:PATTERN")
        for one in given.split(","):
            role, colon, target = one.strip().partition(":")
            found.setdefault(value.strip(), []).append(roles.given(role, target if colon else "*"))
    return found


def granted(claims: Mapping[str, Any]) -> list[Permit] | None:
    """What the claims give, by the mapping that is set; None where none is."""
    options = conf.get()
    if not options.oidc_roles:
        return None
    by_value, values = mapping(options.oidc_roles), said(claims, options.oidc_roles_claim)
    return list(dict.fromkeys(permit for value in ["*", *values] for permit in by_value.get(value, [])))


def of_use(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Of the claims what ``granted`` asks for: the values that the mapping has, however many there are beside them."""
    options = conf.get()
    known = mapping(options.oidc_roles) if options.oidc_roles else {}
    values = [value for value in dict.fromkeys(said(claims, options.oidc_roles_claim)) if value in known]
    return {options.oidc_roles_claim: values} if values else {}


def said(claims: Mapping[str, Any], name: str) -> list[str]:
    """The values of a claim, which is a text or a list of some; a name with dots leads into objects."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str) and value != "*"]
