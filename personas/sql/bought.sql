-- Orders that count as purchases, of the customers in nightly_batch, into nightly_bought.
-- Money in the workspace's currency, at the rate by which the total was converted; NULL without a rate.
-- Reads crm_order by crm_order_customer.
INSERT INTO nightly_bought (
    order_id, customer_id, at, local_at, days_ago, source, units, total, discount, refunded, is_refunded
)
SELECT o.id, o.customer_id, o.placed_at, o.placed_at AT TIME ZONE %(zone)s,
    %(today)s::date - (o.placed_at AT TIME ZONE %(zone)s)::date, o.source, o.units, o.base_total,
    CASE WHEN o.total = 0 THEN o.discount + 0 * o.base_total ELSE o.discount * o.base_total / o.total END,
    CASE WHEN o.total = 0 THEN o.refunded + 0 * o.base_total ELSE o.refunded * o.base_total / o.total END,
    o.refunded > 0 OR o.status = 'refunded'
FROM nightly_batch b
JOIN crm_order o ON o.customer_id = b.customer_id
WHERE o.customer_id BETWEEN %(first)s AND %(last)s AND o.status IN ('paid', 'refunded')
