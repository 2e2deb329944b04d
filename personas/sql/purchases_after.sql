-- Purchases of a held-out time, by customer: days with an order and money spent.
SELECT o.customer_id, count(DISTINCT (o.placed_at AT TIME ZONE %(zone)s)::date) AS days,
    coalesce(sum(o.base_total), 0)::float8 AS spent
FROM crm_order o
WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(since)s AND o.placed_at < %(before)s
GROUP BY o.customer_id
ORDER BY o.customer_id
