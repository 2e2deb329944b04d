"""What somebody allowed at this moment."""

from __future__ import annotations

from crm.models import Consent, Identity


def effective_consent(identity: Identity, purpose: str) -> bool | None:
    """Whether this purpose is allowed on this identity: its newest consent, unless the person refused since.

    None where nobody ever asked. A refusal that names the whole person covers all their identities until the
    identity itself gives a newer consent.
    """
    own = Consent.objects.filter(identity=identity, purpose=purpose).order_by("-at", "-pk").first()
    refusals = Consent.objects.filter(customer_id=identity.customer_id, purpose=purpose, whole_person=True)
    refused = refusals.order_by("-at", "-pk").first()
    if refused is not None and (own is None or (refused.at, refused.pk) >= (own.at, own.pk)):
        return False
    return None if own is None else own.given
