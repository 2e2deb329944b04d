-- Orders that count as purchases, of the customers in nightly_batch, into nightly_bought.
-- Money in the workspace's currency, at the rate by which the total was converted; NULL without a rate.
-- An order at midnight, of the workspace or UTC, carries no time of day, as imports of dates do: it stays on the
-- workspace's clock.
-- Reads crm_order by crm_order_customer.
INSERT INTO nightly_bought (
    order_id, customer_id, at, local_at, own_at, has_hour, days_ago, source, units, total, discount, refunded,
    is_refunded
)
SELECT o.id, o.customer_id, o.placed_at, o.placed_at AT TIME ZONE %(zone)s,
    o.placed_at AT TIME ZONE CASE WHEN t.has_hour THEN b.zone ELSE %(zone)s END, t.has_hour,
    %(today)s::date - (o.placed_at AT TIME ZONE %(zone)s)::date, o.source, o.units, o.base_total,
    CASE WHEN o.total = 0 THEN o.discount + 0 * o.base_total ELSE o.discount * o.base_total / o.total END,
    CASE WHEN o.total = 0 THEN o.refunded + 0 * o.base_total ELSE o.refunded * o.base_total / o.total END,
    o.refunded > 0 OR o.status = 'refunded'
FROM nightly_batch b
JOIN crm_order o ON o.customer_id = b.customer_id
CROSS JOIN LATERAL (
    SELECT (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
        AS has_hour
) t
WHERE o.customer_id BETWEEN %(first)s AND %(last)s AND o.status IN ('paid', 'refunded')
