-- What the drawn members speak about, and what about when they are unhappy: interactions by topic, how many
-- different customers, and of how many interactions that were read. From card_said.
WITH base AS (
    SELECT persona_id, count(*) AS base, count(*) FILTER (WHERE is_unhappy) AS unhappy_base
    FROM card_said WHERE is_read GROUP BY persona_id
)
SELECT s.persona_id, topic, count(*) AS n, count(DISTINCT s.customer_id) AS customers, b.base,
    count(*) FILTER (WHERE s.is_unhappy) AS unhappy_n,
    count(DISTINCT s.customer_id) FILTER (WHERE s.is_unhappy) AS unhappy_customers, b.unhappy_base
FROM card_said s JOIN base b USING (persona_id) CROSS JOIN LATERAL unnest(s.topics) AS topic
WHERE s.is_read
GROUP BY s.persona_id, topic, b.base, b.unhappy_base
ORDER BY s.persona_id, count(*) DESC, topic
