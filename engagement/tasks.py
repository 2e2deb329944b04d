"""Work of the inbox and its channels that runs in workers."""

from __future__ import annotations

from celery import shared_task

from engagement import conversations, outbox


@shared_task(queue="outbound")
def send_delivery(delivery_id: int) -> None:
    """Send one message, if it is its turn."""
    outbox.send_delivery(delivery_id)


@shared_task(queue="outbound")
def sweep_outbox() -> None:
    """Send what is due, and open what was snoozed until now."""
    conversations.wake_snoozed()
    outbox.sweep()
