-- Middles of each persona and, with persona_id NULL, of everybody, over the drawn members: one row each.
-- From card_sample, personas_traits and personas_prediction by their keys.
SELECT
    g.persona_id,
    count(*) AS drawn,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY g.confidence) AS fit,
    count(t.birth_year) AS ages_known,
    percentile_cont(0.25) WITHIN GROUP (ORDER BY extract(year FROM %(today)s::date) - t.birth_year) AS age_from,
    percentile_cont(0.75) WITHIN GROUP (ORDER BY extract(year FROM %(today)s::date) - t.birth_year) AS age_to,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY (%(today)s::date - (t.first_seen_at AT TIME ZONE %(zone)s)::date) / 30.44
    ) AS months_with_us,
    count(t.first_seen_at) AS months_known,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY t.order_gap_days) AS gap_days,
    count(t.order_gap_days) AS gaps_known,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY p.value_low) AS value_low,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY p.value_high) AS value_high,
    count(p.value_low) AS intervals_known
FROM (
    SELECT persona_id, customer_id, confidence FROM card_sample
    UNION ALL
    SELECT NULL, customer_id, confidence FROM card_sample WHERE in_all
) g
JOIN personas_traits t ON t.customer_id = g.customer_id
LEFT JOIN personas_prediction p ON p.customer_id = g.customer_id
GROUP BY g.persona_id
ORDER BY g.persona_id NULLS FIRST
