"""Erase again whoever a restored backup brought back."""

from typing import Any

from django.core.management.base import BaseCommand

from crm.models import Customer
from crm.privacy.erasing import erase_customer
from crm.privacy.keeping import came_back, list_path, take_list


class Command(BaseCommand):
    """Reads the list of erasures beside the database and erases everybody on it who is here."""

    help = "After restoring a backup: erase again everybody who was erased since it was made."

    def handle(self, *args: Any, **options: Any) -> None:
        lines = take_list()
        self.stdout.write(f"{lines:,} keys in {list_path()}")
        numbers = sorted({customer.pk for customer in came_back()})
        done = 0
        for number in numbers:
            customer = Customer.objects.filter(pk=number).first()
            if customer is not None:
                erase_customer(customer=customer, by=None, reason="restored")
                done += 1
        self.stdout.write(self.style.SUCCESS(f"{done:,} customers erased again"))
