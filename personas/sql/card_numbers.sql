-- Counts and sums of each persona and, with persona_id NULL, of everybody in one: one row each.
-- From personas_personamembership, personas_traits and personas_prediction, each read once.
SELECT
    m.persona_id,
    count(*) AS customers,
    (min(t.first_seen_at) AT TIME ZONE %(zone)s)::date AS began,
    count(*) FILTER (WHERE t.inbound_total > 0) AS speakers,
    count(*) FILTER (WHERE t.orders_total > 0) AS buyers,
    count(*) FILTER (WHERE t.revenue_365 <> 0) AS buyers_365,
    count(*) FILTER (WHERE m.confidence < 0.5) / count(*)::float8 AS border_share,
    coalesce(sum(t.revenue_365), 0)::float8 AS revenue_365,
    coalesce(sum(t.average_order * t.orders_total), 0) AS revenue,
    avg(p.value_365) AS value_365,
    avg(p.active_probability) AS active,
    count(p.value_365) AS valued,
    count(p.active_probability) AS judged,
    avg(t.average_order) AS average_order,
    count(t.average_order) AS orders_known,
    avg(t.refund_share) AS refund_share,
    count(t.refund_share) AS refunds_known,
    avg(t.complaint_share) AS complaint_share,
    count(t.complaint_share) AS reasons_known,
    avg(t.sentiment) AS sentiment,
    count(t.sentiment) AS moods_known
FROM personas_personamembership m
JOIN personas_traits t ON t.customer_id = m.customer_id
LEFT JOIN personas_prediction p ON p.customer_id = m.customer_id
GROUP BY GROUPING SETS ((m.persona_id), ())
HAVING count(*) > 0
ORDER BY m.persona_id NULLS FIRST
