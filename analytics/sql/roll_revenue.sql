-- Orders and revenue of the given days by source and persona of that day, in place of what stood there.
-- Revenue is what was paid less what was refunded, in the workspace's currency; orders without a rate are counted
-- apart and left out of it. Reads crm_order by (placed_at), day by day.
WITH dirty AS (
    SELECT day, day::timestamp AT TIME ZONE %(zone)s AS begins, (day + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM unnest(%(days)s::date[]) AS day
), gone AS (
    DELETE FROM analytics_dailyrevenue r USING dirty d WHERE r.day = d.day
), ordered AS MATERIALIZED (
    SELECT d.day, d.ends, o.*
    FROM dirty d
    CROSS JOIN LATERAL (
        SELECT source, units, total, base_total, refunded, customer_id FROM crm_order
        WHERE placed_at >= d.begins AND placed_at < d.ends AND status IN ('paid', 'refunded')
        OFFSET 0
    ) o
), bought AS (
    SELECT o.day, o.source, o.units, o.base_total,
           CASE WHEN o.total > 0 THEN o.base_total * (1 - least(o.refunded, o.total) / o.total) ELSE o.base_total END AS kept,
           had.persona_id
    FROM ordered o
    LEFT JOIN personas_personamembership m ON m.customer_id = o.customer_id
    CROSS JOIN LATERAL personas_persona_on(o.customer_id, o.ends, m.persona_id) had
)
INSERT INTO analytics_dailyrevenue (day, source, persona_id, orders, units, revenue, without_rate)
SELECT day, source, coalesce(persona_id, 0), count(*), coalesce(sum(units), 0), coalesce(sum(kept), 0),
       count(*) FILTER (WHERE base_total IS NULL)
FROM bought
GROUP BY day, source, coalesce(persona_id, 0)
ON CONFLICT (day, source, persona_id) DO UPDATE
SET orders = excluded.orders, units = excluded.units, revenue = excluded.revenue, without_rate = excluded.without_rate
