"""How the table beside the map writes what is drawn there."""

from __future__ import annotations

from django import template

from brokerweb.answers.topology import Node
from brokerweb.console import flows

register = template.Library()


@register.filter
def a_second(rate: float | None) -> str:
    """How much goes a way."""
    return "–" if rate is None else f"{rate:,.6g}"


@register.filter
def place(node: Node) -> str:
    """The page of a node."""
    return flows.url(node)
