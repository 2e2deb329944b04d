-- How many came to and left each persona in a span of time.
-- From personas_personachange by personas_perchange_at.
SELECT persona_id, sum(came) AS came, sum(gone) AS gone
FROM (
    SELECT after_id AS persona_id, 1 AS came, 0 AS gone
    FROM personas_personachange WHERE at >= %(since)s AND at < %(until)s AND after_id IS NOT NULL
    UNION ALL
    SELECT before_id, 0, 1
    FROM personas_personachange WHERE at >= %(since)s AND at < %(until)s AND before_id IS NOT NULL
) moved
GROUP BY persona_id
ORDER BY persona_id
