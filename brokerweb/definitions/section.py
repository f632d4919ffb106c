"""A section of the document: the things of one kind, how they are read, compared and declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from brokerweb.core.errors import BrokerError
from brokerweb.core.names import check_name
from brokerweb.core.settings import Setting, plain
from brokerweb.identity.audit import changed
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction

CREATE, CHANGE, LEAVE = "create", "change", "leave"
Place = tuple[str, ...]  # a name, or those of a stream and its group
Settings = dict[str, Any]
There = Callable[[str, str], bool]  # whether there is one of a kind, or will be, by its name
Faults = list[tuple[str, str]]  # a place within a thing, and what is wrong there


class Wanted(NamedTuple):
    """One thing of a document, and where it stands there."""

    section: Section
    place: Place
    settings: Settings
    pointer: str

    @property
    def target(self) -> str:
        """As the trail has it."""
        return f"{self.section.of}:{'/'.join(self.place)}"


class Step(NamedTuple):
    """What becomes of one thing, with what was and will be where that differs."""

    act: str
    section: Section
    place: Place
    before: Settings | None
    after: Settings | None
    wanted: Wanted | None  # None of what the document does not name
    secret: str | None = None  # what was made with it, and is shown this once

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "kind": self.section.kind[:-1],
            "name": "/".join(self.place),
            "before": self._shown(self.before, self.after),
            "after": self._shown(self.after, self.before),
            "named": self.wanted is not None,
        }
        return shown if self.secret is None else {**shown, "secret": self.secret}

    def _shown(self, one: Settings | None, other: Settings | None) -> Settings | None:
        differing = changed(one, other)
        return None if one is None or differing is None else self.section.shown(differing, one)


class Section:
    """What the sections have in common; each says the rest."""

    kind: ClassVar[str]  # as the document has it: queues
    of: ClassVar[str]  # as the trail has one: stream of a group
    names: ClassVar[Sequence[str]] = ("name",)  # the members that say which thing it is
    most: ClassVar[int | None] = None  # how many there may be

    def declared(self) -> dict[Place, Settings]:
        """What there is, by its name or names."""
        raise NotImplementedError

    def name(self, value: object, pointer: str) -> str:
        """A name, as it is written in one way alone. Raises Invalid."""
        return check_name(value, pointer)

    def validate(self, settings: Settings) -> None:
        """Raises BrokerError with all that is wrong with what a document says of one thing."""
        raise NotImplementedError

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        """The settings as they would be: what is named, and null as the default, as every change has it."""
        raise NotImplementedError

    def misfits(self, step: Step, there: There) -> Faults:
        """What a verb would refuse for what there is."""
        return []

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        """Create and change these, each with its row in the trail; secrets that were made. Raises BrokerError."""
        raise NotImplementedError

    def anew(self, steps: Sequence[Step]) -> Iterator[Step]:
        """The steps from what there is now, within the commit: what others changed since the plan, and none names, stays."""
        there = self.declared()
        for step in steps:
            before = there.get(step.place, step.before)
            given = step.wanted.settings if step.wanted is not None else {}
            yield step._replace(before=before, after=self.settled(before, given))

    def shown(self, settings: Settings, whole: Settings) -> Settings:
        """Some settings of a thing, whose ``whole`` is that, without what is secret of them."""
        return settings

    def exported(self, settings: Settings) -> Settings:
        """Its settings as the document has them."""
        return self.shown(settings, settings)


class Tabled(Section):
    """A kind whose settings are a table."""

    table: ClassVar[Mapping[str, Setting]]

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        base: Settings = before or {}
        return base | {name: self.value(base, name, value) for name, value in given.items()}

    def value(self, base: Settings, name: str, given: Any) -> Any:
        """One setting as it would be."""
        return value_of(self.table[name], given)


def value_of(setting: Setting, given: Any) -> Any:
    """The value of a setting; of null its default, where null is no value itself."""
    if given is None:
        return None if setting.null_is_a_value else plain(setting.default)
    return plain(setting.check(given))


def faults_of(look: Callable[[], object]) -> Faults:
    """What is wrong by a verb's own look."""
    try:
        look()
    except BrokerError as error:
        found = [(str(fault["pointer"]), str(fault["detail"])) for fault in error.extra.get("errors", [])]
        return found or [("", error.detail)]
    return []
