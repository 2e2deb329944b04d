-- What we did on the days of a plan, by network: posts and their local days, what the audience wrote below them, the
-- messages that we began with its people, and how many of those they answered within a day.
-- Reads engagement_post, engagement_int_customer, engagement_ledger_customer and engagement_int_thread.
WITH members AS MATERIALIZED (
    SELECT DISTINCT m.customer_id FROM (/*members*/) AS m (customer_id)
), posted AS (
    SELECT p.id, a.network, (p.published_at AT TIME ZONE %(zone)s)::date AS day
    FROM engagement_post p JOIN engagement_channelaccount a ON a.id = p.account_id
    WHERE p.published_at >= %(start)s AND p.published_at < %(before)s
), reacted AS (
    SELECT p.network, count(*) AS n
    FROM posted p JOIN engagement_interaction i ON i.post_id = p.id
    JOIN members m ON m.customer_id = i.customer_id
    WHERE i.direction = 'inbound' AND i.deleted_at IS NULL
    GROUP BY p.network
), begun AS (
    SELECT a.network, i.id, i.conversation_id, i.occurred_at
    FROM members m JOIN engagement_contactledger l USING (customer_id)
    JOIN engagement_delivery d ON d.id = l.delivery_id
    JOIN engagement_interaction i ON i.id = d.interaction_id
    JOIN engagement_channelaccount a ON a.id = i.account_id
    WHERE l.origin = 'started' AND l.at >= %(start)s AND l.at < %(before)s
), answered AS (
    SELECT b.network, count(*) AS messages,
        count(*) FILTER (WHERE EXISTS (
            SELECT FROM engagement_interaction r
            WHERE r.conversation_id = b.conversation_id AND r.direction = 'inbound' AND NOT r.is_automatic
                AND r.occurred_at > b.occurred_at AND r.occurred_at <= b.occurred_at + interval '1 day'
        )) AS answered
    FROM begun b GROUP BY b.network
), posts AS (
    SELECT network, count(*) AS n, array_agg(day ORDER BY day) AS days FROM posted GROUP BY network
)
SELECT coalesce(p.network, a.network) AS network, coalesce(p.n, 0)::int AS posts,
    coalesce(p.days, ARRAY[]::date[]) AS post_days, coalesce(r.n, 0)::int AS reactions,
    coalesce(a.messages, 0)::int AS messages, coalesce(a.answered, 0)::int AS answered
FROM posts p
FULL JOIN answered a ON a.network = p.network
LEFT JOIN reacted r ON r.network = p.network
ORDER BY 1
