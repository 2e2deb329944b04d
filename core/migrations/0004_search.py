from typing import ClassVar

from django.contrib.postgres.operations import BtreeGinExtension
from django.db import migrations

FOLD = """
CREATE FUNCTION core_fold(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(public.unaccent('public.unaccent'::regdictionary, normalize(given, NFKC)));
"""
PATTERN = r"""
CREATE FUNCTION core_pattern(before text, word text, behind text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN before || regexp_replace(core_fold(word), '([\\%_])', '\\\1', 'g') || behind;
"""


class Migration(migrations.Migration):
    """Text is compared folded, and one index may hold numbers beside words.

    Both functions are declared immutable so that indexes may use them: the rules of the extension unaccent are
    a file of the server, and whoever changes that file rebuilds the indexes.
    """

    dependencies: ClassVar = [("core", "0003_imports")]
    operations: ClassVar = [
        BtreeGinExtension(),
        migrations.RunSQL(FOLD, "DROP FUNCTION core_fold(text)"),
        migrations.RunSQL(PATTERN, "DROP FUNCTION core_pattern(text, text, text)"),
    ]
