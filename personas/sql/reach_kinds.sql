-- Our posts since %(since)s by network and kind of media, and how the people of an audience reacted to them: comments
-- and mentions that hang on a post. Reads engagement_int_customer.
WITH reacted AS (
    SELECT i.post_id, count(*) AS n, count(DISTINCT i.customer_id) AS people
    FROM reach_chosen JOIN engagement_interaction i USING (customer_id)
    WHERE i.post_id IS NOT NULL AND i.direction = 'inbound' AND i.deleted_at IS NULL AND i.occurred_at >= %(since)s
    GROUP BY i.post_id
)
SELECT a.network, p.media, count(*)::int AS posts, coalesce(sum(r.n), 0)::int AS reactions,
    coalesce(sum(r.people), 0)::int AS people
FROM engagement_post p
JOIN engagement_channelaccount a ON a.id = p.account_id
LEFT JOIN reacted r ON r.post_id = p.id
WHERE p.published_at >= %(since)s AND p.published_at < %(before)s
GROUP BY a.network, p.media
ORDER BY a.network, p.media
