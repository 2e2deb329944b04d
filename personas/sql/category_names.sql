-- The categories bought most, by orders in the last two years, at most as many as asked for.
-- Reads crm_order and crm_orderline whole.
SELECT l.category
FROM crm_orderline l
JOIN crm_order o ON o.id = l.order_id
WHERE o.status IN ('paid', 'refunded') AND o.placed_at < %(before)s
    AND o.placed_at >= %(before)s::timestamptz - interval '730 days' AND l.category <> ''
GROUP BY l.category
ORDER BY count(DISTINCT l.order_id) DESC, l.category COLLATE "C"
LIMIT %(most)s
