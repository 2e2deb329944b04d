"""Sends what staff wrote: only the oldest open message of each conversation, so that order holds.

A delivery is claimed in one short transaction (row lock, skipped by other workers; then a lease), sent
outside any transaction, and its result written in another. Who sends renews the lease; a worker that was
killed leaves one that runs out within half a minute. Then, and wherever it is not known whether a message
arrived, it depends on the network: where it takes our own id the send is repeated, where it can be read back
that is done first, and where neither is possible it is said that the message may have been sent, and nothing
is sent again by itself. What is due when stands in the table, so a flushed Redis costs time and no message.

`claiming` says whose turn it is, `sending` talks to the platform, `results` writes down what came of it,
`deciding` is what staff do about one that did not get through, `words` says it to them.
"""

from engagement.outbox.claiming import AT_ONCE, CLOSED_HEALTH, claim, due_accounts, due_heads, heads
from engagement.outbox.deciding import confirm_arrived, give_up, resume_account, send_again, try_now
from engagement.outbox.results import BACK_OFF, GIVE_UP, MAX_DEATHS, PATIENCE, record_failure, record_sent
from engagement.outbox.sending import Sweep, gather, send_account, send_claimed, send_delivery, sweep
from engagement.outbox.words import why_waiting

__all__ = [
    "AT_ONCE", "BACK_OFF", "CLOSED_HEALTH", "GIVE_UP", "MAX_DEATHS", "PATIENCE", "Sweep", "claim",
    "confirm_arrived", "due_accounts", "due_heads", "gather", "give_up", "heads", "record_failure",
    "record_sent", "resume_account", "send_account", "send_again", "send_claimed", "send_delivery", "sweep",
    "try_now", "why_waiting",
]  # fmt: skip
