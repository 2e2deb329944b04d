-- Touches of an audience by network, weekday (1 is Monday) and hour: on their own clocks (that of the zone on the
-- record, else of a country with one time, else ours, as in `next_batch.sql`) and on ours.
-- Reads engagement_int_customer.
WITH touch AS MATERIALIZED (
    SELECT a.network, i.occurred_at AT TIME ZONE %(zone)s AS ours,
        i.occurred_at AT TIME ZONE CASE
            WHEN c.zone = ANY(%(zones)s::text[]) THEN c.zone ELSE coalesce(z.zone, %(zone)s)
        END AS theirs
    FROM reach_chosen m JOIN crm_customer c ON c.id = m.customer_id
    LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS z (country, zone) ON z.country = c.country
    JOIN engagement_interaction i ON i.customer_id = c.id
    JOIN engagement_channelaccount a ON a.id = i.account_id
    WHERE i.direction = 'inbound' AND NOT i.is_automatic AND i.deleted_at IS NULL
        AND i.kind NOT IN ('note', 'visit') AND i.occurred_at >= %(since)s
)
SELECT network, 'theirs' AS clock, extract(isodow FROM theirs)::int AS weekday, extract(hour FROM theirs)::int AS hour,
    count(*)::int AS n
FROM touch GROUP BY 1, 3, 4
UNION ALL
SELECT network, 'ours', extract(isodow FROM ours)::int, extract(hour FROM ours)::int, count(*)::int
FROM touch GROUP BY 1, 3, 4
ORDER BY 1, 2, 3, 4
