"""The team that always exists, and two triggers: it stays, and the audit trail only grows."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

AUDIT_ONLY_GROWS = """
CREATE FUNCTION accounts_audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER accounts_audit_only_grows BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_only_grows();
"""
AUDIT_ONLY_GROWS_BACK = """
DROP TRIGGER accounts_audit_only_grows ON accounts_auditentry;
DROP FUNCTION accounts_audit_only_grows();
"""
GENERAL_STAYS = """
CREATE FUNCTION accounts_general_team_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.is_general AND (TG_OP = 'DELETE' OR NOT NEW.is_general) THEN
        RAISE EXCEPTION 'the general team cannot be removed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER accounts_general_team_stays BEFORE UPDATE OR DELETE ON accounts_team
    FOR EACH ROW EXECUTE FUNCTION accounts_general_team_stays();
"""
GENERAL_STAYS_BACK = """
DROP TRIGGER accounts_general_team_stays ON accounts_team;
DROP FUNCTION accounts_general_team_stays();
"""


def make_general_team(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("accounts", "Team").objects.get_or_create(is_general=True, defaults={"name": "General"})


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunPython(make_general_team, migrations.RunPython.noop),
        migrations.RunSQL(AUDIT_ONLY_GROWS, AUDIT_ONLY_GROWS_BACK),
        migrations.RunSQL(GENERAL_STAYS, GENERAL_STAYS_BACK),
    ]
