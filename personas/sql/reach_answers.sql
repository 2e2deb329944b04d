-- Our messages to the people of an audience, and how many they answered within a day, by network; of several in a
-- row the last one counts; surveys are left out, as in answers.sql. Reads engagement_conv_customer and engagement_int_thread.
WITH said AS (
    SELECT a.network, i.direction, i.occurred_at,
        lead(i.direction) OVER turn AS next_direction, lead(i.occurred_at) OVER turn AS next_at
    FROM reach_chosen JOIN engagement_conversation c USING (customer_id)
    JOIN engagement_channelaccount a ON a.id = c.account_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE i.direction IN ('inbound', 'outbound') AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind <> 'survey' AND i.occurred_at >= %(since)s
    WINDOW turn AS (PARTITION BY c.id ORDER BY i.occurred_at, i.id)
)
SELECT network, count(*)::int AS sent,
    (count(*) FILTER (WHERE next_direction = 'inbound' AND next_at <= occurred_at + interval '1 day'))::int AS answered
FROM said
WHERE direction = 'outbound' AND next_direction IS DISTINCT FROM 'outbound'
GROUP BY network
ORDER BY network
