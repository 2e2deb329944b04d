-- Inbound interactions that count, of the customers in nightly_batch, into nightly_said.
-- One public post that reached several of our accounts (same object_key) counts once, by its earliest row.
-- Days are the workspace's; own_at is what the customer's own clock showed.
-- Reads engagement_interaction by engagement_int_customer, engagement_post by key.
INSERT INTO nightly_said (
    customer_id, interaction_id, at, local_at, own_at, days_ago, network, kind, is_public, reason, sentiment, length,
    topics, rating, media, is_automatic
)
SELECT s.customer_id, s.id, s.occurred_at, s.occurred_at AT TIME ZONE %(zone)s, s.occurred_at AT TIME ZONE s.zone,
    %(today)s::date - (s.occurred_at AT TIME ZONE %(zone)s)::date, a.network, s.kind, s.is_public, s.reason,
    s.sentiment::numeric, s.length, s.topics, s.rating, coalesce(p.media, ''), s.is_automatic
FROM (
    SELECT i.customer_id, b.zone, i.id, i.account_id, i.post_id, i.occurred_at, i.kind, i.is_public, i.reason,
        i.is_automatic, i.sentiment, i.topics, i.rating, length(i.text) AS length,
        CASE WHEN i.object_key = '' THEN 1 ELSE row_number() OVER (
            PARTITION BY i.customer_id, i.object_key, CASE WHEN i.object_key = '' THEN i.id END
            ORDER BY i.occurred_at, i.id
        ) END AS repetition
    FROM nightly_batch b
    JOIN engagement_interaction i ON i.customer_id = b.customer_id
    WHERE i.customer_id BETWEEN %(first)s AND %(last)s
        AND i.direction = 'inbound' AND i.deleted_at IS NULL AND i.kind <> 'note'
) s
JOIN engagement_channelaccount a ON a.id = s.account_id
LEFT JOIN engagement_post p ON p.id = s.post_id
WHERE s.repetition = 1
