"""The audit trail may lose the name and the details of an erased customer, and nothing else.

Only a transaction that says it is erasing may do so: what happened, who did it and when stay. A purge of
old looks at customers says likewise what it is doing.
"""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION accounts_audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('rapport.erasing', true) = 'on' AND
        (NEW.id, NEW.at, NEW.actor_id, NEW.api_key_id, NEW.actor_name, NEW.verb, NEW.object_kind, NEW.object_id,
         NEW.ip) IS NOT DISTINCT FROM
        (OLD.id, OLD.at, OLD.actor_id, OLD.api_key_id, OLD.actor_name, OLD.verb, OLD.object_kind, OLD.object_id,
         OLD.ip) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' AND current_setting('rapport.forgetting', true) = 'on' AND OLD.verb = 'customer.viewed' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
BACK = """
CREATE OR REPLACE FUNCTION accounts_audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_user_notices_seen_at")]

    operations = [migrations.RunSQL(FUNCTION, BACK)]
