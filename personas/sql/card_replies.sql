-- Replies by staff that were thanked, of sure members, that could be shown: of each persona the newest.
-- From card_turns; engagement_interaction, crm_customer and accounts_user by their keys, crm_identity by its customer.
SELECT q.persona_id, q.id, q.customer_id, q.network, q.kind, i.text,
    concat_ws(' ', c.name, (SELECT string_agg(t.handle, ' ') FROM crm_identity t WHERE t.customer_id = c.id)) AS name,
    concat_ws(' ', nullif(i.staff_name, ''), u.name) AS staff_name,
    coalesce(q.next_sentiment, 0) - coalesce(q.last_sentiment, 0) AS lift,
    extract(epoch FROM q.occurred_at - q.last_at)::float8 AS seconds, q.occurred_at
FROM (
    SELECT *, row_number() OVER (PARTITION BY persona_id ORDER BY occurred_at DESC, id DESC) AS place
    FROM card_turns
    WHERE thanked AND was_asked AND by_staff AND confidence >= 0.5 AND length BETWEEN 40 AND 400
) q
JOIN engagement_interaction i ON i.id = q.id
JOIN crm_customer c ON c.id = q.customer_id
LEFT JOIN accounts_user u ON u.id = i.staff_id
WHERE q.place <= 60
ORDER BY q.persona_id, lift DESC, q.occurred_at DESC, i.text
