-- What members of each persona contact us about: interactions by topic, and how many were read in all.
WITH said AS (
    SELECT m.persona_id, i.topics
    FROM personas_personamembership m
    JOIN engagement_interaction i ON i.customer_id = m.customer_id
    WHERE i.direction = 'inbound' AND i.deleted_at IS NULL AND i.kind <> 'note' AND i.reader > 0
        AND i.occurred_at >= %(since)s
), base AS (
    SELECT persona_id, count(*) AS base FROM said GROUP BY persona_id
)
SELECT s.persona_id, topic, count(*) AS n, b.base
FROM said s JOIN base b USING (persona_id) CROSS JOIN LATERAL unnest(s.topics) AS topic
GROUP BY s.persona_id, topic, b.base
ORDER BY s.persona_id, count(*) DESC, topic
