-- Who bought on which local day of a time, and what touched them first: one row a customer and day, under whatever is
-- asked of it. A first touch is the earliest inbound interaction or visit up to the first order, at most %(within)s
-- days before it. %(kept)s: it stands in personas_firsttouch, and is read anew of those alone who changed since.
-- %(whole)s: the time begins before the first order of all. From crm_order (crm_order_placed, crm_order_customer) and
-- engagement_interaction (engagement_int_customer); marks of campaigns as in first_touches.sql.
WITH bought AS (
    SELECT o.customer_id, (o.placed_at AT TIME ZONE %(zone)s)::date AS day, min(o.placed_at) AS at, count(*) AS orders,
        coalesce(sum(
            CASE WHEN o.total = 0 THEN o.base_total ELSE o.base_total * (o.total - o.refunded) / o.total END
        ), 0) AS revenue,
        count(*) FILTER (WHERE o.base_total IS NULL) AS without_rate
    FROM crm_order o
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(start)s AND o.placed_at < %(before)s
    GROUP BY 1, 2
), buyer AS (
    SELECT customer_id, min(at) AS at FROM bought GROUP BY customer_id
), changed AS MATERIALIZED (
    SELECT DISTINCT customer_id FROM crm_customertouch
), touched AS (
    SELECT b.customer_id, coalesce(f.at, b.at) AS first_order_at, coalesce(k.at, t.at) AS at,
        coalesce(k.network, t.network) AS network, coalesce(k.campaign, t.campaign) AS campaign,
        coalesce(k.source, t.source) AS source
    FROM buyer b
    LEFT JOIN changed c ON c.customer_id = b.customer_id
    LEFT JOIN personas_firsttouch k ON k.customer_id = b.customer_id AND c.customer_id IS NULL AND %(kept)s
    LEFT JOIN LATERAL (
        SELECT min(o.placed_at) AS at FROM crm_order o
        WHERE NOT %(whole)s AND o.customer_id = b.customer_id AND o.status IN ('paid', 'refunded')
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT e.at, e.network,
            left(lower(coalesce(
                nullif(v.properties ->> 'utm_campaign', ''), substring(v.url FROM '[?&]utm_campaign=([^&#]*)'), ''
            )), 1000) AS campaign,
            left(lower(coalesce(
                nullif(v.properties ->> 'utm_source', ''), substring(v.url FROM '[?&]utm_source=([^&#]*)'), ''
            )), 60) AS source
        FROM (
            SELECT i.id, i.occurred_at AS at, a.network
            FROM engagement_interaction i JOIN engagement_channelaccount a ON a.id = i.account_id
            WHERE (c.customer_id IS NOT NULL OR NOT %(kept)s) AND i.customer_id = b.customer_id
                AND i.direction = 'inbound' AND i.kind <> 'note' AND NOT i.is_automatic AND i.deleted_at IS NULL
            ORDER BY i.occurred_at, i.id LIMIT 1
        ) e
        LEFT JOIN engagement_visitcontent v ON v.interaction_id = e.id
    ) t ON true
), judged AS (
    SELECT customer_id, first_order_at, network, campaign, source,
        CASE WHEN at IS NULL OR at > first_order_at THEN 'none'
            WHEN at < first_order_at - make_interval(days => %(within)s) THEN 'old' ELSE 'touched' END AS how
    FROM touched
), brought AS (
    SELECT b.customer_id, b.day, b.orders, b.revenue, b.without_rate, b.at = j.first_order_at AS is_new, j.how,
        CASE WHEN j.how = 'touched' THEN j.network ELSE '' END AS network,
        CASE WHEN j.how = 'touched' THEN j.campaign ELSE '' END AS campaign,
        CASE WHEN j.how = 'touched' THEN j.source ELSE '' END AS source,
        coalesce(m.persona_id, 0) AS persona_id
    FROM bought b
    JOIN judged j ON j.customer_id = b.customer_id
    LEFT JOIN personas_personamembership m ON m.customer_id = b.customer_id
)
SELECT /*what*/
