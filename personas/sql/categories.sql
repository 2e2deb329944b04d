-- Categories of each purchase (a local day with orders) of customers who allow profiling, by their place in a list.
-- Days are counted from 1970-01-01. Reads crm_order by crm_order_customer and crm_orderline by its order, or whole.
SELECT o.customer_id, (o.placed_at AT TIME ZONE %(zone)s)::date - DATE '1970-01-01' AS day, n.place - 1 AS category
FROM crm_order o
JOIN crm_customer c ON c.id = o.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
JOIN crm_orderline l ON l.order_id = o.id
JOIN unnest(%(names)s::text[]) WITH ORDINALITY n (name, place) ON n.name = l.category
WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
    AND (%(low)s = 0 OR o.customer_id BETWEEN %(low)s AND %(high)s)
    AND (%(every)s = 1 OR mod(o.customer_id, %(every)s) = 0)
    AND (%(everybody)s OR o.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
