-- Figures of each persona and, with persona_id NULL, of all its kind: one row each.
-- From personas_personamembership, personas_traits, personas_prediction and crm_customer.
SELECT
    m.persona_id,
    count(*) AS customers,
    (min(t.first_seen_at) AT TIME ZONE %(zone)s)::date AS began,
    count(*) FILTER (WHERE t.inbound_total > 0) AS speakers,
    count(*) FILTER (WHERE t.orders_total > 0) AS buyers,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY m.confidence) AS fit,
    count(*) FILTER (WHERE m.confidence < 0.5) / count(*)::float8 AS border_share,
    coalesce(sum(t.revenue_365), 0)::float8 AS revenue_365,
    coalesce(sum(t.average_order * t.orders_total), 0) AS revenue,
    count(t.birth_year) AS ages_known,
    percentile_cont(0.25) WITHIN GROUP (ORDER BY extract(year FROM %(today)s::date) - t.birth_year) AS age_from,
    percentile_cont(0.75) WITHIN GROUP (ORDER BY extract(year FROM %(today)s::date) - t.birth_year) AS age_to,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY (%(today)s::date - (t.first_seen_at AT TIME ZONE %(zone)s)::date) / 30.44
    ) AS months_with_us,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY t.order_gap_days) AS gap_days,
    count(t.order_gap_days) AS gaps_known,
    avg(p.value_365) AS value_365,
    avg(p.active_probability) AS active,
    count(p.value_365) AS valued,
    avg(t.average_order) AS average_order,
    avg(t.sentiment) AS sentiment
FROM personas_personamembership m
JOIN personas_traits t ON t.customer_id = m.customer_id
JOIN crm_customer c ON c.id = m.customer_id
LEFT JOIN personas_prediction p ON p.customer_id = m.customer_id
GROUP BY GROUPING SETS ((m.persona_id), ())
HAVING count(*) > 0
ORDER BY m.persona_id NULLS FIRST
