-- To which kinds of our posts, and posts about what, the drawn members react, of each persona and, with
-- persona_id NULL, of everybody. From card_said and engagement_post by its key.
SELECT g.persona_id, v.what, v.value, count(*) AS n, count(DISTINCT g.customer_id) AS customers,
    sum(count(*)) OVER (PARTITION BY g.persona_id, v.what) AS base
FROM (
    SELECT persona_id, customer_id, post_id FROM card_said WHERE post_id IS NOT NULL
    UNION ALL
    SELECT NULL, customer_id, post_id FROM card_said WHERE post_id IS NOT NULL AND in_all
) g
JOIN engagement_post p ON p.id = g.post_id
CROSS JOIN LATERAL (VALUES ('media', p.media), ('topic', p.topic)) AS v (what, value)
WHERE v.value <> ''
GROUP BY g.persona_id, v.what, v.value
ORDER BY g.persona_id NULLS FIRST, v.what, count(*) DESC, v.value
