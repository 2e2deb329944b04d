-- Touches (inbound interactions and orders) by customer and local hour. Orders that carry no time of day, as
-- imports of dates do, say nothing about hours and are left out.
-- Reads engagement_int_customer and crm_order_customer, or both tables whole.
WITH touch AS (
    SELECT i.customer_id, i.occurred_at AS at, i.occurred_at AT TIME ZONE %(zone)s AS local_at
    FROM engagement_interaction i
    WHERE i.customer_id IS NOT NULL AND i.direction = 'inbound' AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind NOT IN ('note', 'visit') AND i.occurred_at < %(before)s
        AND (%(everybody)s OR i.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    UNION ALL
    SELECT o.customer_id, o.placed_at, o.placed_at AT TIME ZONE %(zone)s
    FROM crm_order o
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
        AND (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
        AND (%(everybody)s OR o.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
)
SELECT t.customer_id, extract(hour FROM t.local_at)::int AS hour, t.at >= %(since)s AS is_later, count(*) AS n
FROM touch t
JOIN crm_customer c ON c.id = t.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
