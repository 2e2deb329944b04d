-- Invitations to a survey (outbound interactions of the kind survey) and whether an answer followed within
-- 14 days and before the next invitation, by customer and persona.
-- Reads engagement_interaction whole, or by engagement_int_thread; answers by engagement_int_customer.
WITH asked AS (
    SELECT c.customer_id, i.occurred_at AS at,
        lead(i.occurred_at) OVER (PARTITION BY c.customer_id ORDER BY i.occurred_at, i.id) AS next_at
    FROM engagement_interaction i
    JOIN engagement_conversation c ON c.id = i.conversation_id
    JOIN crm_customer k ON k.id = c.customer_id AND k.merged_into_id IS NULL AND NOT k.profiling_refused
    WHERE i.kind = 'survey' AND i.direction = 'outbound' AND i.deleted_at IS NULL AND i.occurred_at < %(before)s
        AND (%(low)s = 0 OR c.customer_id BETWEEN %(low)s AND %(high)s)
        AND (%(every)s = 1 OR mod(c.customer_id, %(every)s) = 0)
        AND (%(everybody)s OR c.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
)
SELECT s.customer_id, coalesce(m.persona_id, 0) AS persona, (s.at >= %(since)s)::int AS is_later, count(*) AS sent,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM engagement_interaction a
        WHERE a.customer_id = s.customer_id AND a.kind = 'survey' AND a.direction = 'inbound'
            AND a.deleted_at IS NULL AND a.occurred_at > s.at AND a.occurred_at <= s.at + interval '14 days'
            AND (s.next_at IS NULL OR a.occurred_at < s.next_at)
    )) AS answered
FROM asked s
LEFT JOIN personas_personamembership m ON m.customer_id = s.customer_id
GROUP BY s.customer_id, m.persona_id, 3
ORDER BY s.customer_id, 3
