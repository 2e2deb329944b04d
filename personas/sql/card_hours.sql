-- Touches of the drawn members by weekday (1 is Monday) and hour of their own zone.
-- Orders that carry no time of day say nothing about hours and are left out.
-- From card_said, card_sample and crm_order by crm_order_customer.
WITH touch AS (
    SELECT persona_id, customer_id, local_at FROM card_said WHERE NOT is_automatic
    UNION ALL
    SELECT s.persona_id, s.customer_id, o.placed_at AT TIME ZONE s.zone
    FROM card_sample s JOIN crm_order o ON o.customer_id = s.customer_id
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(since)s
        AND (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
)
SELECT persona_id, extract(isodow FROM local_at)::int AS weekday, extract(hour FROM local_at)::int AS hour,
    count(*) AS n, count(DISTINCT customer_id) AS customers
FROM touch
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
