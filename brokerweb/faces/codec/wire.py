"""Names of the codec's rooms for callers that have yet to name the room."""

from brokerweb.faces.codec.json import Strict, decode
from brokerweb.faces.codec.json import quoted as text
from brokerweb.faces.codec.messages import WireMessage, delivered_parts, split, to_one
from brokerweb.faces.codec.settles import (
    DeadItems,
    ExtendItems,
    NackItems,
    Receipts,
    settle_deads,
    settle_extends,
    settle_nacks,
    settle_receipts,
    settled,
)

__all__ = [
    "DeadItems", "ExtendItems", "NackItems", "Receipts", "Strict", "WireMessage", "decode", "delivered_parts", "settle_deads",
    "settle_extends", "settle_nacks", "settle_receipts", "settled", "split", "text", "to_one",
]  # fmt: skip
