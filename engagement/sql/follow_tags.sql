-- The reason for contact of each conversation that carries a tag which counts as one: the first that was put there.
-- It stands at every line the customers wrote. A tag counts where somebody chose it, else with %(used)s uses. Touched
-- are the customers whose lines changed. %(conversations)s: only these; null: all.
-- Reads engagement_conversationtag by tag and by conversation, engagement_interaction by (conversation, …) and
-- engagement_int_reason.
WITH counted AS (
    SELECT t.id, t.name
    FROM crm_tag t
    LEFT JOIN engagement_reasontag r ON r.tag_id = t.id
    WHERE coalesce(r.is_reason, (
        SELECT count(*) FROM (SELECT 1 FROM engagement_conversationtag x WHERE x.tag_id = t.id LIMIT %(used)s) AS enough
    ) >= %(used)s)
), wanted AS (
    SELECT DISTINCT ON (p.conversation_id) p.conversation_id, c.name
    FROM engagement_conversationtag p JOIN counted c ON c.id = p.tag_id
    WHERE %(conversations)s::bigint[] IS NULL OR p.conversation_id = ANY(%(conversations)s::bigint[])
    ORDER BY p.conversation_id, p.id
), told AS (
    UPDATE engagement_interaction i SET contact_reason = w.name, reason_model = 0
    FROM wanted w
    WHERE i.conversation_id = w.conversation_id AND i.direction = 'inbound' AND i.deleted_at IS NULL
        AND (i.contact_reason <> w.name OR i.reason_model <> 0)
    RETURNING i.customer_id
), taken AS (
    UPDATE engagement_interaction i SET contact_reason = ''
    WHERE i.contact_reason <> '' AND i.reason_model = 0
        AND (%(conversations)s::bigint[] IS NULL OR i.conversation_id = ANY(%(conversations)s::bigint[]))
        AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.conversation_id = i.conversation_id)
    RETURNING i.customer_id
), touched AS (
    INSERT INTO crm_customertouch (customer_id, at)
    SELECT DISTINCT customer_id, statement_timestamp()
    FROM (SELECT customer_id FROM told UNION ALL SELECT customer_id FROM taken) AS changed
    WHERE customer_id IS NOT NULL
)
SELECT (SELECT count(*) FROM told) AS told, (SELECT count(*) FROM taken) AS taken
