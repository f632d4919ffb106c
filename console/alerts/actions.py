"""What is done with alerts: rules and channels are made, changed, tried and removed, silences begun and ended."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.alerts import channels, notices, rules, silences
from brokerweb.console.acting import refusing, telling
from brokerweb.console.alerts.forms import ChannelChange, ChannelForm, RuleForm, SilenceForm
from brokerweb.console.alerts.views import shown
from brokerweb.console.deletions import removal
from brokerweb.console.page import SignedIn, action, form, render, render_form
from brokerweb.core.quantities import DURATION

LIST = "brokerweb_console:alerts"


def _names() -> list[str]:
    return [channel.name for channel in channels.listed()]


def _address(request: SignedIn) -> str | None:
    return request.META.get("REMOTE_ADDR")


@form
def new_rule(request: SignedIn) -> HttpResponseBase:
    """Make a rule."""
    request.principal.require_admin()
    asked = RuleForm(request.POST, names=_names()) if request.method == "POST" else RuleForm(names=_names())
    if asked.is_valid():
        with refusing(asked):
            rule = asked.rule()
            rules.declare(request.principal, rule, address=_address(request), new=True)
            messages.success(request, f"Rule {rule.name} is there.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/alerts/rule.html", asked, title="New rule")


@form
def rule(request: SignedIn, name: str) -> HttpResponseBase:
    """Change a rule."""
    request.principal.require_admin()
    found = rules.find(name)
    posted = request.method == "POST"
    asked = RuleForm(request.POST, names=_names(), known=True) if posted else RuleForm.of(found, _names())
    if asked.is_valid():
        with refusing(asked):
            rules.declare(request.principal, asked.rule(name), address=_address(request), seen=asked.check_rule)
            messages.success(request, f"Rule {name} is changed. What held by the old one is over.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/alerts/rule.html", asked, title=name, rule=found)


@form
def delete_rule(request: SignedIn, name: str) -> HttpResponseBase:
    """Remove a rule."""
    request.principal.require_admin()
    found = rules.find(name)
    facts = [("Of", str(found.target)), ("Says", found.words)]
    text = "Nobody is told by it any more, and what holds by it is over."
    return removal(request, "rule", name, of=("Alerts", LIST), text=text, facts=facts, remove=rules.delete)


@form
def new_channel(request: SignedIn) -> HttpResponseBase:
    """Make a channel; the answer to the POST shows a webhook's secret, which is shown this once."""
    request.principal.require_admin()
    asked = ChannelForm(request.POST if request.method == "POST" else None)
    if asked.is_valid():
        with refusing(asked):
            given = asked.cleaned_data
            made, secret = channels.declare(
                request.principal, given["name"], given["kind"], given["to"], address=_address(request), new=True
            )
            if secret:
                return render(request, "brokerweb_console/alerts/made.html", channel=made, secret=secret)
            messages.success(request, f"Channel {made.name} is there. Test it.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/alerts/channel.html", asked)


@form
def channel(request: SignedIn, name: str) -> HttpResponseBase:
    """Change where a channel leads, or its secret, which is shown this once."""
    request.principal.require_admin()
    found = channels.find(name)
    asked = ChannelChange(found, request.POST if request.method == "POST" else None)
    if asked.is_valid():
        with refusing(asked):
            secret = channels.new_secret() if asked.cleaned_data.get("renew") else None
            to = asked.cleaned_data["to"].strip() or None
            channels.declare(request.principal, name, found.kind, to, secret=secret, address=_address(request), new=False)
            if secret:
                return render(request, "brokerweb_console/alerts/made.html", channel=found, secret=secret)
            messages.success(request, f"Channel {name} is changed. Test it.")
            return redirect(LIST)
    return render_form(request, "brokerweb_console/alerts/channel.html", asked, channel=found)


@action
def try_channel(request: SignedIn, name: str) -> HttpResponseBase:
    """Tell a channel that this is a test."""
    request.principal.require_admin()
    error = notices.try_out(request.principal, name, address=_address(request))
    if error is None:
        messages.success(request, f"{name} took the test.")
    else:
        messages.error(request, f"{name} did not take the test: {error}", extra_tags="not_sent|Look at where it leads.")
    return redirect(LIST)


@form
def delete_channel(request: SignedIn, name: str) -> HttpResponseBase:
    """Remove a channel that no rule names."""
    request.principal.require_admin()
    found = channels.find(name)
    facts = [("Kind", found.kind), ("To", channels.shown(found))]
    text = "What waits to be sent there is not sent."
    return removal(request, "channel", name, of=("Alerts", LIST), text=text, facts=facts, remove=channels.delete)


@action
def begin_silence(request: SignedIn) -> HttpResponseBase:
    """Nobody is told for a time."""
    request.principal.require_admin()
    asked = SilenceForm(request.POST)
    if asked.is_valid():
        with refusing(asked):
            given = asked.cleaned_data
            of = {"rule": given["rule"].strip(), "reason": given["reason"]}
            made = silences.begin(request.principal, given["target"].strip(), given["seconds"], **of, address=_address(request))
            lasts = DURATION.text(given["seconds"])
            messages.success(request, f"Nobody is told of {made.target} for {lasts}. It is shown here all the same.")
            return redirect(LIST)
    return render(request, "brokerweb_console/alerts/list.html", 400, **{**shown(request), "silence": asked})


@action
def end_silence(request: SignedIn, number: int) -> HttpResponseBase:
    """What still holds is told now."""
    request.principal.require_admin()
    with telling(request, "The silence is over. What still holds is told now."):
        silences.end(request.principal, number, address=_address(request))
    return redirect(LIST)
