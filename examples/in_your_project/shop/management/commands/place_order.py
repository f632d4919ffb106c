from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shop.ordering import place_order


class Command(BaseCommand):
    help = "Places an order, as a cron job or a shell would: in a process of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer")
        parser.add_argument("total", type=Decimal)

    def handle(self, *args: Any, **given: Any) -> None:
        try:
            order = place_order(given["customer"], given["total"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"order {order.pk}")
