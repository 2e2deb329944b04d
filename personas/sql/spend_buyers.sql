-- How many bought in a span of days, each counted once: those of days before %(until)s from personas_buyerday, then
-- those who bought from %(live)s on and not within the span before. Reads crm_order by crm_order_placed and
-- crm_order_customer.
SELECT (
    SELECT coalesce(sum(d.customers), 0) FROM personas_buyerday d
    WHERE d.day >= %(first)s AND d.day < %(until)s AND (d.last_day IS NULL OR d.last_day < %(first)s)
)::bigint + (
    SELECT count(*) FROM (
        SELECT DISTINCT o.customer_id FROM crm_order o
        WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(live)s AND o.placed_at < %(before)s
    ) late
    WHERE NOT EXISTS (
        SELECT FROM crm_order o
        WHERE o.customer_id = late.customer_id AND o.status IN ('paid', 'refunded')
            AND o.placed_at >= %(start)s AND o.placed_at < %(live)s
    )
) AS customers
