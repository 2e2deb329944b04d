-- Order lines of the batch that name a category. From nightly_bought and crm_orderline by order.
SELECT o.customer_id, l.category COLLATE "C" AS category
FROM nightly_bought o JOIN crm_orderline l ON l.order_id = o.order_id
WHERE l.category <> ''
