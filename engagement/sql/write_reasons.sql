-- The reasons that a model told of some conversations, written where they differ and no person told one.
-- Reads engagement_interaction by (conversation, …).
WITH told AS (
    SELECT conversation, reason
    FROM unnest(%(conversations)s::bigint[], %(reasons)s::text[]) AS t (conversation, reason)
), written AS (
    UPDATE engagement_interaction i
    SET contact_reason = t.reason, reason_model = CASE WHEN t.reason = '' THEN 0 ELSE %(version)s END
    FROM told t
    WHERE i.conversation_id = t.conversation AND i.direction = 'inbound' AND i.deleted_at IS NULL
        AND (i.contact_reason = '' OR i.reason_model > 0)
        AND (i.contact_reason <> t.reason OR i.reason_model <> CASE WHEN t.reason = '' THEN 0 ELSE %(version)s END)
    RETURNING i.customer_id
), touched AS (
    INSERT INTO crm_customertouch (customer_id, at)
    SELECT DISTINCT customer_id, statement_timestamp() FROM written WHERE customer_id IS NOT NULL
)
SELECT count(*) AS n FROM written
