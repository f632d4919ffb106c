"""The sections of the document, in an order in which what is bound, read or told is there. One more is one more line."""

from __future__ import annotations

from brokerweb.definitions.alerting import AlertChannels, AlertRules
from brokerweb.definitions.by_schema import Schemas
from brokerweb.definitions.hidden import Masks
from brokerweb.definitions.section import Section
from brokerweb.definitions.stored import Groups, Queues, Streams, Topics

SECTIONS: tuple[Section, ...] = (
    Queues(),
    Streams(),
    Groups(),
    Topics(),
    Masks(),
    Schemas(),
    AlertChannels(),
    AlertRules(),
)
BY_KIND = {section.kind: section for section in SECTIONS}
KINDS = tuple(BY_KIND)
