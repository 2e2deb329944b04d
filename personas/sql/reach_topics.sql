-- What the people of an audience ask, complain about and praise: topics of their messages by reason.
-- Reads engagement_int_customer.
SELECT t.topic, i.reason, count(*)::int AS n, count(DISTINCT i.customer_id)::int AS people
FROM reach_chosen JOIN engagement_interaction i USING (customer_id)
CROSS JOIN LATERAL unnest(i.topics) AS t (topic)
WHERE i.direction = 'inbound' AND i.deleted_at IS NULL AND i.reason IN ('question', 'complaint', 'praise')
    AND i.occurred_at >= %(since)s
GROUP BY t.topic, i.reason
ORDER BY count(*) DESC, t.topic, i.reason
LIMIT 40
