-- Touches of members of each persona by local weekday (1 is Monday) and hour.
-- Orders that carry no time of day say nothing about hours and are left out.
WITH touch AS (
    SELECT i.customer_id, i.occurred_at AT TIME ZONE %(zone)s AS local_at
    FROM engagement_interaction i
    WHERE i.customer_id IS NOT NULL AND i.direction = 'inbound' AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind NOT IN ('note', 'visit') AND i.occurred_at >= %(since)s
    UNION ALL
    SELECT o.customer_id, o.placed_at AT TIME ZONE %(zone)s
    FROM crm_order o
    WHERE o.status IN ('paid', 'refunded') AND o.placed_at >= %(since)s
        AND (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
)
SELECT m.persona_id, extract(isodow FROM t.local_at)::int AS weekday, extract(hour FROM t.local_at)::int AS hour,
    count(*) AS n
FROM touch t JOIN personas_personamembership m USING (customer_id)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
