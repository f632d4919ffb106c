"""What holds, what held, and the rules, channels and silences that it comes of."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from brokerweb.alerts import alerts, channels, notices, rules, silences
from brokerweb.cluster.models import Alert
from brokerweb.console import list_frame
from brokerweb.console.alerts.forms import SilenceForm
from brokerweb.console.alerts.listing import LISTING
from brokerweb.console.filters import LIMIT
from brokerweb.console.listing import arranged
from brokerweb.console.page import SignedIn, page, render


@page
@list_frame.opens_preferred
def alert_list(request: SignedIn) -> HttpResponseBase:
    """Alerts of what the person may browse; for administrators all that they come of."""
    return render(request, "brokerweb_console/alerts/list.html", **shown(request))


def shown(request: SignedIn) -> dict[str, Any]:
    """What the page has."""
    principal, wanted = request.principal, list_frame.asked(request, LISTING)
    may = alerts.visible_to(principal)
    firing, over = (alerts.listed(firing=holds, visible=may, limit=most) for holds, most in ((True, LIMIT), (False, 20)))
    found = list_frame.framed(request, wanted) | {
        "firing": arranged(map(_row, firing), wanted),
        "over": arranged(map(_row, over), wanted),
    }
    if principal.admin:
        found |= {
            "rules": rules.listed(),
            "channels": [(channel, channels.shown(channel)) for channel in channels.listed()],
            "silences": silences.listed(),
            "waiting": notices.waiting(),
            "may_silence": not principal.read_only,
            "silence": SilenceForm(initial=_asked(request)),
        }
    return found


def _row(alert: Alert) -> dict[str, Any]:
    kind, _, rest = alert.target.partition(":")
    name, _, group = rest.partition("/")
    return {"alert": alert, "kind": kind, "name": name, "group": group, "silenced": not alert.told and alert.resolved_at is None}


def _asked(request: SignedIn) -> dict[str, str]:
    """What the silence of an alert would be of, where its button was used."""
    named = {"target": request.GET.get("silence", "")[:420], "rule": request.GET.get("rule", "")[:200]}
    return {name: value for name, value in named.items() if value}
