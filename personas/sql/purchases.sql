-- Purchases up to a local day: one row a customer who allows profiling, with days that had a purchase.
-- A purchase is a local day with orders; money in the workspace's currency, days without a rate count as 0.
-- Days are counted from 1970-01-01. Reads crm_order by crm_order_customer, or whole.
WITH day AS (
    SELECT o.customer_id, (o.placed_at AT TIME ZONE %(zone)s)::date AS day, coalesce(sum(o.base_total), 0) AS spent
    FROM crm_order o
    JOIN crm_customer c ON c.id = o.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
        AND (%(everybody)s OR o.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    GROUP BY 1, 2
)
SELECT customer_id, count(*) AS days, min(day) - DATE '1970-01-01' AS first, max(day) - DATE '1970-01-01' AS last,
    sum(spent)::float8 AS spent
FROM day
GROUP BY customer_id
ORDER BY customer_id
