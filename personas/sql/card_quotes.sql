-- Texts of sure members with a clear mood that could be quoted: of each persona the newest of each mood.
-- `name` is all that they are called by: it is taken out of the text. From card_said; engagement_interaction and
-- crm_customer by their keys, crm_identity by its customer.
SELECT q.persona_id, q.id, q.customer_id, q.sentiment, q.reason, q.kind, a.network, i.rating, i.text, q.occurred_at,
    concat_ws(' ', c.name, (SELECT string_agg(t.handle, ' ') FROM crm_identity t WHERE t.customer_id = c.id)) AS name
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY persona_id, sentiment > 0 ORDER BY occurred_at DESC, id DESC
    ) AS place
    FROM card_said
    WHERE confidence >= 0.5 AND NOT is_automatic AND length BETWEEN 30 AND 220 AND abs(sentiment) >= 0.3
) q
JOIN engagement_interaction i ON i.id = q.id
JOIN engagement_channelaccount a ON a.id = q.account_id
JOIN crm_customer c ON c.id = q.customer_id
WHERE q.place <= 40
ORDER BY q.persona_id, abs(q.sentiment) DESC, q.occurred_at DESC, i.text
