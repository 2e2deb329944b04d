"""What was saved comes back, and a damaged backup changes nothing."""

from __future__ import annotations

import stat
import tarfile
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from django.conf import settings as django_settings
from django.db import connection

from config.backup import put_back, save
from config.processes import StartError
from tests.live_rapport import test_database_url as address_of_test_database


def execute(url, statement):
    with closing(psycopg2.connect(url)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def addresses(db, tmp_path, monkeypatch, settings):
    """A small database of its own beside the test database, and an empty `var/`."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    for name in ("SECRET_KEY", "RAPPORT_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    parts = urlsplit(address_of_test_database())
    name = f"{connection.settings_dict['NAME']}_backup"
    postgres = urlunsplit(parts._replace(path="/postgres"))
    execute(postgres, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    execute(postgres, f"CREATE DATABASE {name}")
    own = urlunsplit(parts._replace(path=f"/{name}"))
    execute(own, "CREATE TABLE shelf AS SELECT n, md5(n::text) AS word FROM generate_series(1, 5000) AS n")
    yield {"DATABASE_URL": own, "REDIS_URL": django_settings.REDIS_URL}
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def rows(addresses):
    return execute(addresses["DATABASE_URL"], "SELECT count(*) FROM shelf")[0][0]


def test_a_backup_brings_back_data_files_and_secrets(addresses, settings):
    picture = settings.MEDIA_ROOT / "a" / "picture.txt"
    picture.parent.mkdir(parents=True)
    picture.write_text("kept")
    file = save(addresses)
    execute(addresses["DATABASE_URL"], "DELETE FROM shelf WHERE n > 10")
    picture.write_text("changed")

    todo = put_back(file, addresses)

    assert todo == []
    assert rows(addresses) == 5000
    assert picture.read_text() == "kept"
    secrets = settings.MEDIA_ROOT.parent / "secrets"
    assert (secrets / "rapport_key").read_text().strip() == settings.RAPPORT_KEY
    assert (secrets / "secret_key").read_text().strip() == settings.SECRET_KEY


def test_a_backup_is_readable_by_its_owner_only(addresses):
    assert stat.S_IMODE(save(addresses).stat().st_mode) == 0o600


def test_another_key_in_the_environment_is_said_and_kept(addresses, monkeypatch):
    file = save(addresses)
    monkeypatch.setenv("RAPPORT_KEY", "another")

    (todo,) = put_back(file, addresses)

    assert "RAPPORT_KEY of the environment is not the backup's" in todo


@pytest.mark.parametrize("part", ["database.dump", "manifest.json"])
def test_a_damaged_backup_changes_nothing(addresses, settings, part):
    file = save(addresses)
    execute(addresses["DATABASE_URL"], "DELETE FROM shelf WHERE n > 10")
    settings.MEDIA_ROOT.mkdir(parents=True)
    damage(file, part)

    with pytest.raises(StartError):
        put_back(file, addresses)

    assert rows(addresses) == 10
    assert settings.MEDIA_ROOT.exists()


def damage(file, part):
    with tarfile.open(file) as archive:
        member = archive.getmember(part)
    content = bytearray(file.read_bytes())
    middle = member.offset_data + member.size // 2
    content[middle : middle + 500] = b"\0" * min(500, member.size - member.size // 2)
    file.write_bytes(bytes(content))


def test_what_is_no_backup_is_refused(addresses, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")

    with pytest.raises(StartError, match="is no backup of Rapport"):
        put_back(text, addresses)
