-- Who came to and left each persona, and from or to which other one, since a day.
SELECT persona_id, other_id, sum(came) AS came, sum(gone) AS gone, sum(came_late) AS came_late,
    sum(gone_late) AS gone_late
FROM (
    SELECT after_id AS persona_id, before_id AS other_id, 1 AS came, 0 AS gone,
        (at >= %(late)s)::int AS came_late, 0 AS gone_late
    FROM personas_personachange WHERE at >= %(since)s AND after_id IS NOT NULL
    UNION ALL
    SELECT before_id, after_id, 0, 1, 0, (at >= %(late)s)::int
    FROM personas_personachange WHERE at >= %(since)s AND before_id IS NOT NULL
) moved
GROUP BY persona_id, other_id
ORDER BY persona_id, other_id NULLS FIRST
