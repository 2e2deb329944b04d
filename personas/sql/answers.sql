-- Messages of ours and whether the customer answered within a day, by customer, persona and network.
-- Of several messages in a row the last one counts; surveys are another matter and left out.
-- Reads engagement_conv_customer and engagement_int_thread, or both tables whole.
WITH said AS (
    SELECT c.customer_id, a.network, i.direction, i.occurred_at,
        lead(i.direction) OVER turn AS next_direction,
        lead(i.occurred_at) OVER turn AS next_at
    FROM engagement_conversation c
    JOIN crm_customer k ON k.id = c.customer_id AND k.merged_into_id IS NULL AND NOT k.profiling_refused
    JOIN engagement_channelaccount a ON a.id = c.account_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE i.direction IN ('inbound', 'outbound') AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind <> 'survey' AND i.occurred_at < %(before)s
        AND (%(low)s = 0 OR c.customer_id BETWEEN %(low)s AND %(high)s)
        AND (%(every)s = 1 OR mod(c.customer_id, %(every)s) = 0)
        AND (%(everybody)s OR c.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    WINDOW turn AS (PARTITION BY c.id ORDER BY i.occurred_at, i.id)
)
SELECT s.customer_id, coalesce(m.persona_id, 0) AS persona, s.network, (s.occurred_at >= %(since)s)::int AS is_later,
    count(*) AS sent,
    count(*) FILTER (
        WHERE s.next_direction = 'inbound' AND s.next_at <= s.occurred_at + interval '1 day'
    ) AS answered
FROM said s
LEFT JOIN personas_personamembership m ON m.customer_id = s.customer_id
WHERE s.direction = 'outbound' AND s.next_direction IS DISTINCT FROM 'outbound'
GROUP BY s.customer_id, m.persona_id, s.network, 4
ORDER BY s.customer_id, s.network COLLATE "C", 4
