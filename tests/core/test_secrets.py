"""Secrets: nothing readable in the database, in a dump, or where an object is printed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models

from core.secrets import EncryptedJSONField, SecretDict

PASSWORD = "correct horse battery"


class Vault(models.Model):
    """A row with a secret; its table lives only in this file's tests."""

    name = models.CharField(max_length=20, default="")
    secret = EncryptedJSONField(default=dict, blank=True)

    class Meta:
        app_label = "tests_secrets"
        db_table = "tests_secrets_vault"


@pytest.fixture
def table(db: None) -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Vault)
    yield


@pytest.fixture(autouse=True)
def key(settings: Any) -> str:
    settings.RAPPORT_KEY = Fernet.generate_key().decode()
    settings.RAPPORT_OLD_KEYS = []
    return settings.RAPPORT_KEY


def stored() -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM tests_secrets_vault")
        return b"|".join(bytes(value) for (value,) in cursor.fetchall())


def test_the_database_holds_no_plain_text(table: None) -> None:
    Vault.objects.create(secret={"password": PASSWORD, "port": 993})
    assert b"horse" not in stored() and b"password" not in stored()
    assert Vault.objects.get().secret == {"password": PASSWORD, "port": 993}


@pytest.mark.parametrize("value", [{}, {"a": None, "b": [1, {"c": "ü\x00"}]}, {"long": "x" * 100_000}])
def test_what_goes_in_comes_out(table: None, value: dict[str, Any]) -> None:
    Vault.objects.create(secret=value)
    assert Vault.objects.get().secret == value


def test_equal_secrets_are_stored_differently(table: None) -> None:
    for _ in range(2):
        Vault.objects.create(secret={"a": PASSWORD})
    first, second = stored().split(b"|")
    assert first != second


def test_bulk_writes_are_encrypted_too(table: None) -> None:
    Vault.objects.bulk_create([Vault(secret={"a": PASSWORD}), Vault()])
    rows = list(Vault.objects.order_by("pk"))
    rows[1].secret = {"b": PASSWORD}
    Vault.objects.bulk_update(rows, ["secret"])
    Vault.objects.filter(pk=rows[0].pk).update(secret={"c": PASSWORD})
    assert b"horse" not in stored()
    assert [dict(v.secret) for v in Vault.objects.order_by("pk")] == [{"c": PASSWORD}, {"b": PASSWORD}]


def test_printing_shows_names_and_no_values(table: None) -> None:
    vault = Vault(secret={"password": PASSWORD})
    for shown in (vault, Vault(**{"secret": {"password": PASSWORD}})):
        assert PASSWORD not in f"{shown!r} {shown.secret!r} {shown.secret} {vars(shown)}"
    vault.save()
    loaded = Vault.objects.get()
    assert repr(loaded.secret) == "<secret: password>" and repr(SecretDict()) == "<secret: empty>"
    loaded.secret = {"token": PASSWORD}
    assert PASSWORD not in str(vars(loaded))
    assert json.loads(json.dumps(loaded.secret)) == {"token": PASSWORD}


def test_a_deferred_secret_is_loaded_when_asked(table: None) -> None:
    Vault.objects.create(secret={"a": PASSWORD})
    assert Vault.objects.defer("secret").get().secret == {"a": PASSWORD}


def test_a_dump_holds_no_secret(table: None) -> None:
    Vault.objects.create(secret={"a": PASSWORD})
    dump = serializers.serialize("json", Vault.objects.all())
    assert json.loads(dump)[0]["fields"]["secret"] == ""


def test_an_old_key_still_reads_and_the_new_one_writes(table: None, settings: Any, key: str) -> None:
    Vault.objects.create(secret={"a": PASSWORD})
    settings.RAPPORT_KEY, settings.RAPPORT_OLD_KEYS = Fernet.generate_key().decode(), [key]
    Vault.objects.get().save()
    settings.RAPPORT_OLD_KEYS = []
    assert Vault.objects.get().secret == {"a": PASSWORD}


def test_a_lost_key_is_said_so(table: None, settings: Any) -> None:
    Vault.objects.create(secret={"a": PASSWORD})
    settings.RAPPORT_KEY = Fernet.generate_key().decode()
    with pytest.raises(ImproperlyConfigured, match="RAPPORT_OLD_KEYS"):
        Vault.objects.get()


def test_a_bad_key_is_said_so(table: None, settings: Any) -> None:
    settings.RAPPORT_KEY = "short"
    with pytest.raises(ImproperlyConfigured, match="32 bytes"):
        Vault.objects.create(secret={})


def test_a_search_by_a_secret_is_refused_instead_of_finding_nothing(table: None) -> None:
    with pytest.raises(ImproperlyConfigured, match="cannot be searched"):
        Vault.objects.filter(secret={"a": PASSWORD}).exists()
