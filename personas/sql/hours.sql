-- Touches (inbound interactions and orders) by customer and hour on the customer's own clock: that of the zone on the
-- record, else of a country with one time, else the workspace's, as in `next_batch.sql`.
-- Orders that carry no time of day, as imports of dates do, say nothing about hours and are left out.
-- Reads engagement_int_customer and crm_order_customer, or both tables whole.
WITH touch AS (
    SELECT i.customer_id, i.occurred_at AS at
    FROM engagement_interaction i
    WHERE i.customer_id IS NOT NULL AND i.direction = 'inbound' AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind NOT IN ('note', 'visit') AND i.occurred_at < %(before)s
        AND (%(low)s = 0 OR i.customer_id BETWEEN %(low)s AND %(high)s)
        AND (%(every)s = 1 OR mod(i.customer_id, %(every)s) = 0)
        AND (%(everybody)s OR i.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    UNION ALL
    SELECT o.customer_id, o.placed_at
    FROM crm_order o
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
        AND (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
        AND (%(low)s = 0 OR o.customer_id BETWEEN %(low)s AND %(high)s)
        AND (%(every)s = 1 OR mod(o.customer_id, %(every)s) = 0)
        AND (%(everybody)s OR o.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
)
SELECT t.customer_id, coalesce(m.persona_id, 0) AS persona,
    extract(hour FROM t.at AT TIME ZONE CASE
        WHEN c.zone = ANY(%(zones)s::text[]) THEN c.zone ELSE coalesce(z.zone, %(zone)s)
    END)::int AS hour,
    (t.at >= %(since)s)::int AS is_later, count(*) AS n
FROM touch t
JOIN crm_customer c ON c.id = t.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS z (country, zone) ON z.country = c.country
LEFT JOIN personas_personamembership m ON m.customer_id = t.customer_id
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
