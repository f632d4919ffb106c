"""What a search may say, in examples: the help beside its field."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A condition as it is written, and what it finds."""

    term: str
    finds: str


EXAMPLES = (
    Example('"ORD-20041"', "text in the body, or in the last error"),
    Example("id:18164", "the message of that id"),
    Example("key:acct-0", "also dedup: correlation: publisher: fingerprint:"),
    Example("state:dead,blocked", "in one of these states; reason:max_failures says why it is dead"),
    Example("attempts>=3", "also redrives>0, offset>=1200"),
    Example("header.tenant=globex", "a header that is just this; header.source~shop contains it"),
    Example("$.customer.country=DE", "a value in a JSON body; $.items[0].qty>=3, $.voucher=null"),
    Example('$.note~"late"', "contains, whatever the case"),
    Example('error~"429"', "the last error contains it"),
    Example("published<1h", "younger than an hour; published>2026-11-28 since that day"),
    Example("-state:dead", "a minus before it: not so"),
)
