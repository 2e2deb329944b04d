-- Topics of the given days by persona of that day, in place of what stood there.
-- Reads engagement_interaction by (account, occurred_at), day by day, as roll_interactions.sql does.
WITH dirty AS (
    SELECT account_id, day, day::timestamp AT TIME ZONE %(zone)s AS begins,
           (day + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM unnest(%(accounts)s::bigint[], %(days)s::date[]) AS d (account_id, day)
), gone AS (
    DELETE FROM analytics_dailytopics r USING dirty d WHERE r.account_id = d.account_id AND r.day = d.day
), spoken AS (
    SELECT d.day, d.ends, i.account_id, i.team_id, i.customer_id, i.sentiment, i.topics
    FROM dirty d
    CROSS JOIN LATERAL (
        SELECT * FROM engagement_interaction i
        WHERE i.account_id = d.account_id AND i.occurred_at >= d.begins AND i.occurred_at < d.ends
            AND i.direction = 'inbound' AND i.deleted_at IS NULL AND i.topics <> '{}'
        OFFSET 0
    ) i
), people AS (
    SELECT DISTINCT customer_id, day, ends FROM spoken WHERE customer_id IS NOT NULL
), belonging AS (
    SELECT p.customer_id, p.day, had.persona_id
    FROM people p
    LEFT JOIN personas_personamembership m ON m.customer_id = p.customer_id
    CROSS JOIN LATERAL personas_persona_on(p.customer_id, p.ends, m.persona_id) had
)
INSERT INTO analytics_dailytopics (day, account_id, team_id, network, topic, persona_id, n, negative_n)
SELECT s.day, s.account_id, s.team_id, a.network, topic, coalesce(b.persona_id, 0), count(*),
       count(*) FILTER (WHERE s.sentiment <= -0.05)
FROM spoken s
JOIN engagement_channelaccount a ON a.id = s.account_id
LEFT JOIN belonging b ON b.customer_id = s.customer_id AND b.day = s.day
CROSS JOIN unnest(s.topics) AS topic
GROUP BY s.day, s.account_id, s.team_id, a.network, topic, coalesce(b.persona_id, 0)
ON CONFLICT (day, account_id, team_id, topic, persona_id) DO UPDATE
SET n = excluded.n, negative_n = excluded.negative_n
