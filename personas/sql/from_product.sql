-- Different products in orders of the batch: when the first order of all was, and when the product was first bought.
-- From nightly_bought and crm_orderline by order.
SELECT customer_id, order_id, at, first_at, min(at) OVER (PARTITION BY customer_id, product) AS known_since
FROM (
    SELECT DISTINCT o.customer_id, o.at, o.order_id, o.first_at, coalesce(nullif(l.sku, ''), l.title) COLLATE "C" AS product
    FROM (
        SELECT customer_id, order_id, at, min(at) OVER (PARTITION BY customer_id) AS first_at FROM nightly_bought
    ) o
    JOIN crm_orderline l ON l.order_id = o.order_id
) AS known
