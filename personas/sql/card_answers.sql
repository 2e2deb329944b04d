-- How often members of each persona answered our messages within a day, by network.
-- Of several messages in a row the last one counts.
WITH said AS (
    SELECT c.customer_id, a.network, i.direction, i.occurred_at,
        lead(i.direction) OVER turn AS next_direction,
        lead(i.occurred_at) OVER turn AS next_at
    FROM engagement_conversation c
    JOIN engagement_channelaccount a ON a.id = c.account_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE c.customer_id IS NOT NULL AND i.direction IN ('inbound', 'outbound') AND NOT i.is_automatic
        AND i.deleted_at IS NULL AND i.occurred_at >= %(since)s
    WINDOW turn AS (PARTITION BY c.id ORDER BY i.occurred_at, i.id)
)
SELECT m.persona_id, s.network, count(*) AS sent,
    count(*) FILTER (WHERE next_direction = 'inbound' AND next_at <= s.occurred_at + interval '1 day') AS answered
FROM said s JOIN personas_personamembership m USING (customer_id)
WHERE s.direction = 'outbound' AND s.next_direction IS DISTINCT FROM 'outbound'
GROUP BY m.persona_id, s.network
ORDER BY m.persona_id, s.network
