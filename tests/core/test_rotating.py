"""A new RAPPORT_KEY: every stored secret moves to it, in steps that may be ended, and nothing is lost."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Team
from core import rotating
from core.secrets import EncryptedJSONField, keyring
from engagement.models import ChannelAccount, LoginGrant

pytestmark = pytest.mark.django_db
SECRET = "the-token-nobody-sees"


def account(number: int = 1) -> ChannelAccount:
    return ChannelAccount.objects.create(
        connector="api",
        network="x",
        external_id=f"x{number}",
        name="Care",
        team=Team.general(),
        credentials={"token": f"{SECRET}-{number}"},
    )


@pytest.fixture
def old_and_new(settings: Any) -> tuple[str, str]:
    """What was written before lies under the old key, which may still read."""
    old, new = settings.RAPPORT_KEY, Fernet.generate_key().decode()
    return old, new


def turn(settings: Any, keys: tuple[str, str]) -> None:
    settings.RAPPORT_KEY, settings.RAPPORT_OLD_KEYS = keys[1], [keys[0]]


def run(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_key", stdout=out, **options)
    return out.getvalue()


def stored() -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM engagement_channelaccount ORDER BY id")
        return [bytes(row[0]) for row in cursor.fetchall()]


def test_every_encrypted_field_of_every_model_is_found() -> None:
    named = {f"{field.model._meta.label}.{field.name}" for field in rotating.fields()}
    assert {"engagement.ChannelAccount.credentials", "engagement.LoginGrant.offers"} <= named
    of_all = [
        field
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedJSONField)
    ]
    assert len(of_all) == len(named)


def test_everything_moves_and_the_old_key_may_go(settings: Any, ada: Any, old_and_new: Any) -> None:
    account()
    LoginGrant.objects.create(connector="api", staff=ada, offers={"remembered": SECRET})
    data = {"secret": keyring().encrypt(b"totp").decode(), "migrated_codes": []}
    factor = Authenticator.objects.create(user=ada, type="totp", data=data)
    turn(settings, old_and_new)
    with pytest.raises(CommandError, match="3 secrets still need"):
        run(check=True)
    assert "1 stored, 1 encrypted anew" in run()
    settings.RAPPORT_OLD_KEYS = []
    assert "alone reads everything" in run(check=True)
    assert ChannelAccount.objects.get().credentials["token"] == f"{SECRET}-1"
    assert LoginGrant.objects.get().offers == {"remembered": SECRET}
    factor.refresh_from_db()
    assert keyring().decrypt(factor.data["secret"].encode()) == b"totp"


def test_a_run_that_was_ended_goes_on(settings: Any, old_and_new: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rotating, "BATCH", 2)
    for number in range(5):
        account(number)
    turn(settings, old_and_new)
    field = ChannelAccount._meta.get_field("credentials")
    real, seen = rotating._batch, []

    def ended(*args: Any) -> Any:
        seen.append(args)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(rotating, "_batch", ended)
    with pytest.raises(KeyboardInterrupt):
        rotating.rotate_field(field, write=True)
    assert sum(map(rotating.reads_newest, stored())) == 4
    monkeypatch.setattr(rotating, "_batch", real)
    again = rotating.rotate_field(field, write=True)
    assert (again.found, again.moved) == (5, 1)
    assert [one.credentials["token"] for one in ChannelAccount.objects.order_by("pk")] == [
        f"{SECRET}-{number}" for number in range(5)
    ]


def test_what_no_key_reads_is_left_as_it_is_and_told(settings: Any, old_and_new: Any) -> None:
    account()
    before = stored()
    settings.RAPPORT_KEY, settings.RAPPORT_OLD_KEYS = old_and_new[1], []
    with pytest.raises(CommandError, match="read by no key"):
        run()
    assert stored() == before


def test_a_second_run_writes_nothing(settings: Any, old_and_new: Any) -> None:
    account()
    turn(settings, old_and_new)
    run()
    before = stored()
    assert "0 encrypted anew" in run()
    assert stored() == before
