-- Customers by the local day they bought on and the day they bought on before, up to %(longest)s days earlier, of
-- orders before %(before)s: all of personas_buyerday. Reads crm_order once.
INSERT INTO personas_buyerday (day, last_day, customers)
SELECT day, CASE WHEN day - last_day < %(longest)s THEN last_day END, count(*)
FROM (
    SELECT day, lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS last_day
    FROM (
        SELECT DISTINCT customer_id, (placed_at AT TIME ZONE %(zone)s)::date AS day
        FROM crm_order WHERE status IN ('paid', 'refunded') AND placed_at < %(before)s
    ) b
) paired
GROUP BY 1, 2
