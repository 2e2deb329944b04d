-- Who bought in a span of days, what touched them first, and which campaign or network that is counted for.
-- A first touch is the earliest inbound interaction or visit before somebody's first order, at most %(within)s days
-- before it. A visit carries campaign marks (utm_campaign, utm_source) in its properties or its address; `marks` are
-- the names of campaigns that cost something, as they stand in an address. From crm_order (crm_order_placed,
-- crm_order_customer) and engagement_interaction (engagement_int_customer).
WITH mark AS (
    SELECT DISTINCT mark, network, campaign
    FROM jsonb_to_recordset(%(marks)s::jsonb) AS m (mark text, network text, campaign text)
), bought AS (
    SELECT o.customer_id, count(*) AS orders,
        sum(CASE WHEN o.total = 0 THEN o.base_total ELSE o.base_total * (o.total - o.refunded) / o.total END)
            AS revenue,
        count(*) FILTER (WHERE o.base_total IS NULL) AS without_rate
    FROM crm_order o
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(start)s AND o.placed_at < %(before)s
    GROUP BY o.customer_id
), buyer AS (
    SELECT b.*, f.at AS first_order_at, f.at >= %(start)s AS is_new
    FROM bought b
    CROSS JOIN LATERAL (
        SELECT min(o.placed_at) AS at FROM crm_order o
        WHERE o.customer_id = b.customer_id AND o.status IN ('paid', 'refunded')
    ) f
), touched AS (
    SELECT b.*, t.network, t.occurred_at,
        t.occurred_at < b.first_order_at - make_interval(days => %(within)s) AS is_old,
        lower(coalesce(nullif(v.properties ->> 'utm_campaign', ''), substring(v.url FROM '[?&]utm_campaign=([^&#]*)')))
            AS mark,
        lower(coalesce(nullif(v.properties ->> 'utm_source', ''), substring(v.url FROM '[?&]utm_source=([^&#]*)')))
            AS came_from
    FROM buyer b
    LEFT JOIN LATERAL (
        SELECT i.id, i.occurred_at, a.network
        FROM engagement_interaction i JOIN engagement_channelaccount a ON a.id = i.account_id
        WHERE i.customer_id = b.customer_id AND i.direction = 'inbound' AND NOT i.is_automatic
            AND i.deleted_at IS NULL AND i.occurred_at <= b.first_order_at
        ORDER BY i.occurred_at, i.id LIMIT 1
    ) t ON true
    LEFT JOIN engagement_visitcontent v ON v.interaction_id = t.id
), attributed AS (
    SELECT t.customer_id, t.orders, t.revenue, t.without_rate, t.is_new, m.persona_id,
        CASE WHEN t.network IS NULL THEN 'none' WHEN t.is_old THEN 'old'
            WHEN c.campaign IS NOT NULL THEN 'campaign' ELSE 'network' END AS how,
        CASE WHEN t.network IS NULL OR t.is_old THEN ''
            ELSE coalesce(c.network, CASE WHEN t.came_from = ANY(%(networks)s) THEN t.came_from END, t.network)
        END AS network,
        CASE WHEN t.network IS NULL OR t.is_old THEN '' ELSE coalesce(c.campaign, '') END AS campaign
    FROM touched t
    LEFT JOIN personas_personamembership m ON m.customer_id = t.customer_id
    LEFT JOIN LATERAL (
        SELECT k.network, k.campaign FROM mark k WHERE k.mark = t.mark
        ORDER BY k.network = t.came_from DESC NULLS LAST, k.network, k.campaign LIMIT 1
    ) c ON true
)
SELECT /*what*/
