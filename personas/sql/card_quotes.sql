-- Texts of members that could be quoted, of sure members and with a mood, the newest of each persona.
SELECT q.*
FROM personas_persona p
CROSS JOIN LATERAL (
    SELECT m.persona_id, i.customer_id, i.text, i.sentiment, i.kind, i.rating, a.network, c.name, i.occurred_at
    FROM personas_personamembership m
    JOIN engagement_interaction i ON i.customer_id = m.customer_id
    JOIN engagement_channelaccount a ON a.id = i.account_id
    JOIN crm_customer c ON c.id = i.customer_id
    WHERE m.persona_id = p.id AND m.confidence >= 0.5 AND i.direction = 'inbound' AND i.deleted_at IS NULL
        AND i.kind <> 'note' AND NOT i.is_automatic AND i.occurred_at >= %(since)s
        AND length(i.text) BETWEEN 30 AND 220 AND abs(i.sentiment) >= 0.3
    ORDER BY i.occurred_at DESC, i.id DESC
    LIMIT 60
) q
WHERE p.is_active
ORDER BY q.persona_id, abs(q.sentiment) DESC, q.occurred_at DESC, q.text
