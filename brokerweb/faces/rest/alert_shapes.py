"""The shapes of alerts, rules, channels and silences."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from brokerweb.alerts import channels, figures, rules, silences
from brokerweb.faces.codec.answers import Instant
from brokerweb.faces.codec.json import Strict

FigureName = Literal[*figures.FIGURES]  # type: ignore[valid-type]  # written of the table
ChannelKind = Literal["email", "webhook", "slack"]
Limit = float | None
AskedLimit = Annotated[float, Meta(ge=-figures.MOST, le=figures.MOST)] | None


class Alert(Struct):
    """A rule holds of `target` since `since_at`, or held until `resolved_at`. `value` and `text` are as it began."""

    id: str
    rule: str
    figure: FigureName
    target: str
    value: float | None
    text: str
    since_at: Instant
    fired_at: Instant
    resolved_at: Instant | None
    silenced: bool
    url: str


class AlertList(Struct):
    items: list[Alert]
    next: None  # all of it is one page


class Rule(Struct):
    """`over` or `under` is the limit; `for`: seconds that it must last."""

    name: str
    figure: FigureName
    target: str
    over: Limit
    under: Limit
    verdict: str | None
    lasts: int = field(name="for")
    channels: list[str]
    enabled: bool


class RuleList(Struct):
    items: list[Rule]
    next: None  # all of it is one page


class RuleRequest(Strict):
    """A rule: one of `over` and `under` with a figure, `verdict` with that of this name."""

    figure: FigureName
    target: Annotated[str, Meta(max_length=420)]
    over: AskedLimit = None
    under: AskedLimit = None
    verdict: str | None = None
    lasts: Annotated[int, Meta(ge=0, le=rules.LONGEST)] = field(default=0, name="for")
    channels: Annotated[list[str], Meta(max_length=rules.MOST_CHANNELS)] = []
    enabled: bool = True


class Channel(Struct):
    """`to` without what may be secret of it. `error`: why it did not take what it was told last, `null` where it did."""

    name: str
    kind: ChannelKind
    to: str
    sent_at: Instant | None
    failed_at: Instant | None
    error: str | None


class NewChannel(Channel):
    """With the secret that signs what a webhook is sent: it is shown this once."""

    secret: str | None = None


class ChannelList(Struct):
    """`waiting`: how many notices no channel has taken yet."""

    items: list[Channel]
    next: None  # all of it is one page
    waiting: int


class ChannelRequest(Strict):
    """`to`: addresses with commas between them, or a URL; it stays where it is not given, and so does a webhook's `secret`."""

    kind: ChannelKind
    to: Annotated[str, Meta(max_length=channels.LONGEST)] | None = None
    secret: Annotated[str, Meta(max_length=200)] | None = None


class Tested(Struct):
    """Whether the channel took it, or why not."""

    sent: bool
    error: str | None


class Silence(Struct):
    """Nobody is told of it until then."""

    id: str
    target: str
    rule: str | None
    until_at: Instant
    reason: str
    by: str


class SilenceList(Struct):
    items: list[Silence]
    next: None  # all of it is one page


class SilenceRequest(Strict):
    """`target` as a rule has it, or `*` for everything; of one `rule` alone where it is named."""

    seconds: Annotated[int, Meta(ge=1, le=silences.LONGEST)]
    target: Annotated[str, Meta(max_length=420)] = silences.ANYTHING
    rule: Annotated[str, Meta(max_length=200)] = ""
    reason: Annotated[str, Meta(max_length=200)] = ""


def rule_of(name: str, asked: RuleRequest) -> rules.Rule:
    """The rule that a request describes. Raises Invalid."""
    target = rules.parse_target(asked.target)
    values: dict[str, Any] = {"over": asked.over, "under": asked.under, "verdict": asked.verdict, "lasts": asked.lasts}
    return rules.Rule(name, asked.figure, target, channels=tuple(asked.channels), enabled=asked.enabled, **values)
