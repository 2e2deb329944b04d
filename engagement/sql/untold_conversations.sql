-- The next lines that customers wrote, in the order they were stored: their conversations, with the beginning of each
-- (the first three things the customer said), where no person told the reason and this model did not either.
-- Reads engagement_interaction by id and by (conversation, occurred_at, id).
WITH page AS (
    SELECT id, conversation_id, direction, reason_model, contact_reason
    FROM engagement_interaction WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
), talks AS (
    SELECT DISTINCT conversation_id AS id FROM page
    WHERE conversation_id IS NOT NULL AND direction = 'inbound' AND (contact_reason = '' OR reason_model > 0)
)
SELECT (SELECT max(id) FROM page) AS last, t.id AS conversation, begun.text
FROM (SELECT 1) AS one
LEFT JOIN talks t ON true
LEFT JOIN LATERAL (
    SELECT string_agg(f.text, ' ' ORDER BY f.occurred_at, f.id) AS text
    FROM (
        SELECT i.id, i.occurred_at, left(i.subject || ' ' || i.text, 2000) AS text
        FROM engagement_interaction i
        WHERE i.conversation_id = t.id AND i.direction = 'inbound' AND i.deleted_at IS NULL
            AND i.kind NOT IN ('visit', 'note')
        ORDER BY i.occurred_at, i.id LIMIT 3
    ) f
) begun ON true
WHERE (SELECT max(id) FROM page) IS NOT NULL
