"""Which persona a customer had on a day: one answer for everything that sums by persona.

A set-returning function in SQL is folded into the statement that asks it, and so planned with it.
"""

from django.db import migrations

PERSONA_ON = """
CREATE FUNCTION personas_persona_on(customer bigint, before timestamptz, now bigint)
RETURNS TABLE (persona_id bigint) LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN earlier.found THEN earlier.after_id
                ELSE coalesce(later.before_id, later.after_id, now) END
    FROM (SELECT) AS asked
    LEFT JOIN LATERAL (
        SELECT true AS found, x.after_id FROM personas_personachange x
        WHERE x.customer_id = customer AND x.at < before ORDER BY x.at DESC, x.id DESC LIMIT 1
    ) earlier ON true
    LEFT JOIN LATERAL (
        SELECT x.before_id, x.after_id FROM personas_personachange x
        WHERE x.customer_id = customer AND x.at >= before ORDER BY x.at, x.id LIMIT 1
    ) later ON true
$$;
COMMENT ON FUNCTION personas_persona_on IS
    'The persona before an instant; before the first they ever had, that one; who never changed had the one of now'
"""


class Migration(migrations.Migration):
    dependencies = [("personas", "0010_people_by_network")]
    operations = [
        migrations.RunSQL(PERSONA_ON, "DROP FUNCTION personas_persona_on(bigint, timestamptz, bigint)"),
    ]
