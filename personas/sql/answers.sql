-- Messages of ours and whether the customer answered within a day, by customer and network.
-- Of several messages in a row the last one counts. Reads engagement_conv_customer and engagement_int_thread.
WITH said AS (
    SELECT c.customer_id, a.network, i.direction, i.occurred_at,
        lead(i.direction) OVER turn AS next_direction,
        lead(i.occurred_at) OVER turn AS next_at
    FROM engagement_conversation c
    JOIN crm_customer k ON k.id = c.customer_id AND k.merged_into_id IS NULL AND NOT k.profiling_refused
    JOIN engagement_channelaccount a ON a.id = c.account_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE i.direction IN ('inbound', 'outbound') AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.occurred_at < %(before)s
        AND (%(everybody)s OR c.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    WINDOW turn AS (PARTITION BY c.id ORDER BY i.occurred_at, i.id)
)
SELECT customer_id, network, occurred_at >= %(since)s AS is_later, count(*) AS sent,
    count(*) FILTER (
        WHERE next_direction = 'inbound' AND next_at <= occurred_at + interval '1 day'
    ) AS answered
FROM said
WHERE direction = 'outbound' AND next_direction IS DISTINCT FROM 'outbound'
GROUP BY customer_id, network, 3
ORDER BY customer_id, network COLLATE "C", 3
