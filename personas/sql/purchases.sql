-- Purchases up to a local day: one row a customer who allows profiling, with days that had a purchase.
-- A purchase is a local day with orders; money in the workspace's currency, days without a rate count as 0.
-- Reads crm_order by crm_order_customer, or whole.
WITH day AS (
    SELECT o.customer_id, (o.placed_at AT TIME ZONE %(zone)s)::date AS day, coalesce(sum(o.base_total), 0) AS spent
    FROM crm_order o
    JOIN crm_customer c ON c.id = o.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
    GROUP BY 1, 2
)
SELECT customer_id, count(*) AS days, min(day) AS first, max(day) AS last, sum(spent)::float8 AS spent,
    ((array_agg(spent ORDER BY day))[1])::float8 AS first_spent
FROM day
GROUP BY customer_id
ORDER BY customer_id
