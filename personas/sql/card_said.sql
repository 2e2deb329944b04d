-- What the drawn members said since a time, with their own local time. Texts stay where they are.
-- From card_sample and engagement_interaction by engagement_int_customer; gone with its transaction.
CREATE TEMPORARY TABLE card_said ON COMMIT DROP AS
SELECT s.persona_id, s.customer_id, s.confidence, s.in_all, i.id, i.post_id, i.account_id, i.kind, i.is_automatic,
    i.occurred_at, i.occurred_at AT TIME ZONE s.zone AS local_at, i.sentiment, i.reason, i.topics,
    i.reader > 0 AS is_read, length(i.text) AS length,
    i.reason = 'complaint' OR coalesce(i.sentiment <= -0.3, false) AS is_unhappy
FROM card_sample s
JOIN engagement_interaction i ON i.customer_id = s.customer_id
WHERE i.direction = 'inbound' AND i.deleted_at IS NULL AND i.kind NOT IN ('note', 'visit')
    AND i.occurred_at >= %(since)s
