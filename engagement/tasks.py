"""Work of the inbox and its channels that runs in workers."""

from __future__ import annotations

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from engagement import acting, caretaking, conversations, media, named, outbox, pulls, raw_events
from engagement.visits import keeping


@shared_task(queue="outbound")
def send_delivery(delivery_id: int) -> None:
    """Send one message, if it is its turn."""
    outbox.send_delivery(delivery_id)


@shared_task(queue="outbound")
def sweep_outbox() -> None:
    """Queue the accounts with something to send, and open what was snoozed until now."""
    conversations.wake_snoozed()
    for account_id in outbox.due_accounts():
        send_account.delay(account_id)
    for record_id in acting.sweep():
        do_act.delay(record_id)


@shared_task(queue="outbound")
def do_act(record_id: int) -> None:
    """Hide, like, delete or block, if it is its turn."""
    acting.do(record_id)


@shared_task(queue="outbound")
def send_account(account_id: int) -> None:
    """Send what is due in one account, and let the others have their turn before the rest."""
    if outbox.send_account(account_id):
        send_account.delay(account_id)


@shared_task(queue="pulls")
def sweep_pulls() -> None:
    """Queue the accounts that are due to be asked."""
    for account_id in pulls.due_accounts(timezone.now()):
        pull_account.delay(account_id)


@shared_task(queue="pulls")
def pull_account(account_id: int) -> None:
    """Take in what is new in one account; what is left after its turn follows those of the others."""
    pulled = pulls.pull_account(account_id)
    if pulled.more and not (pulled.wait or pulled.failure):
        pull_account.delay(account_id)


@shared_task(queue="inbound")
def understand_raw_event(raw_id: int) -> None:
    """Understand one stored body at once."""
    raw_events.understand_one(raw_id)


@shared_task(queue="inbound")
def sweep_raw_events() -> None:
    """Understand stored bodies that wait, and forget old ones."""
    raw_events.sweep()
    named.sweep()
    if cache.add("raw-events-forgotten", True, timeout=3600):
        raw_events.forget_understood()


@shared_task(queue="inbound")
def fetch_named(account_id: int) -> None:
    """Ask for what a webhook of this account only named."""
    named.fetch(account_id)


@shared_task(queue="pulls")
def take_file(attachment_id: int) -> None:
    """Fetch one file and keep it."""
    media.take(attachment_id)


@shared_task(queue="pulls")
def sweep_files() -> None:
    """Fetch and look at files that wait."""
    media.sweep()


@shared_task(queue="default")
def erase_nobody(customer_id: int) -> None:
    """Erase a customer who took back their only word to us."""
    keeping.erase_nobody(customer_id)


@shared_task(queue="default")
def sweep_accounts() -> None:
    """Look after accounts: comparisons that are due, tokens and webhooks, silence, logins nobody finished."""
    for account_id in caretaking.sweep():
        look_after_account.delay(account_id)


@shared_task(queue="default")
def look_after_account(account_id: int) -> None:
    """Renew one account's token where it ends soon, and ask for its webhooks again."""
    caretaking.look_after(account_id)
