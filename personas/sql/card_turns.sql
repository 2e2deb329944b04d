-- Our messages in conversations of the drawn members, each with what was said right before and right after it.
-- Surveys are another matter and left out, as in answers.sql.
-- `thanked`: the same customer answered within seven days, glad or with praise, and never was unhappy there later.
-- From card_sample, engagement_conversation by engagement_conv_customer, engagement_interaction by
-- engagement_int_thread; gone with its transaction.
CREATE TEMPORARY TABLE card_turns ON COMMIT DROP AS
WITH said AS (
    SELECT s.persona_id, s.customer_id, s.confidence, s.in_all, a.network, i.id, i.direction, i.kind, i.occurred_at,
        i.staff_id IS NOT NULL OR i.staff_name <> '' AS by_staff, length(i.text) AS length, i.sentiment,
        lead(i.direction) OVER turn AS next_direction, lead(i.occurred_at) OVER turn AS next_at,
        lead(i.customer_id) OVER turn AS next_customer_id, lead(i.sentiment) OVER turn AS next_sentiment,
        lead(i.reason) OVER turn AS next_reason,
        lag(i.direction) OVER turn AS last_direction, lag(i.occurred_at) OVER turn AS last_at,
        lag(i.customer_id) OVER turn AS last_customer_id, lag(i.sentiment) OVER turn AS last_sentiment,
        lag(i.reason) OVER turn AS last_reason,
        max(CASE WHEN i.direction = 'inbound' AND (i.reason = 'complaint' OR i.sentiment <= -0.3) THEN i.occurred_at END)
            OVER (PARTITION BY c.id) AS unhappy_at
    FROM card_sample s
    JOIN engagement_conversation c ON c.customer_id = s.customer_id AND c.last_at >= %(since)s
    JOIN engagement_channelaccount a ON a.id = c.account_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE i.direction IN ('inbound', 'outbound') AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind <> 'survey' AND i.occurred_at >= %(since)s
    WINDOW turn AS (PARTITION BY c.id ORDER BY i.occurred_at, i.id)
)
SELECT persona_id, customer_id, confidence, in_all, network, id, kind, by_staff, length, occurred_at, last_at, next_at,
    last_sentiment, next_sentiment,
    next_direction IS DISTINCT FROM 'outbound' AS is_last_in_row,
    coalesce(
        next_direction = 'inbound' AND next_customer_id = customer_id AND next_at <= occurred_at + interval '1 day', false
    ) AS answered,
    coalesce(last_direction = 'inbound' AND last_customer_id = customer_id
        AND (last_reason IN ('complaint', 'question') OR last_sentiment <= -0.05), false) AS was_asked,
    coalesce(next_direction = 'inbound' AND next_customer_id = customer_id AND next_at <= occurred_at + interval '7 days'
        AND (next_reason = 'praise' OR next_sentiment >= 0.3) AND next_reason <> 'complaint'
        AND coalesce(unhappy_at < occurred_at, true), false) AS thanked
FROM said
WHERE direction = 'outbound'
