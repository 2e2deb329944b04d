-- What was learned from: the newest conversations that carry a tag which counts as a reason, the oldest of them first,
-- each with those tags and with the first three things its customer said.
-- Reads engagement_conversationtag by tag, engagement_interaction by (conversation, occurred_at, id).
WITH tagged AS (
    SELECT p.conversation_id, array_agg(p.tag_id ORDER BY p.id) AS tags
    FROM engagement_conversationtag p
    WHERE p.tag_id = ANY(%(tags)s)
    GROUP BY p.conversation_id
    ORDER BY p.conversation_id DESC
    LIMIT %(limit)s
)
SELECT c.id, t.tags, begun.text
FROM tagged t
JOIN engagement_conversation c ON c.id = t.conversation_id
CROSS JOIN LATERAL (
    SELECT string_agg(f.text, ' ' ORDER BY f.occurred_at, f.id) AS text
    FROM (
        SELECT i.id, i.occurred_at, left(i.subject || ' ' || i.text, 2000) AS text
        FROM engagement_interaction i
        WHERE i.conversation_id = c.id AND i.direction = 'inbound' AND i.deleted_at IS NULL
            AND i.kind NOT IN ('visit', 'note')
        ORDER BY i.occurred_at, i.id LIMIT 3
    ) f
) begun
WHERE begun.text IS NOT NULL
ORDER BY c.first_at, c.id
