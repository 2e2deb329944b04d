-- Interactions of the given days by account, team, kind, direction, visibility and persona, in place of what stood
-- there. Visits are not counted: a shop has a hundred of them for one message. The persona is the one the customer had
-- on that day; before the first they ever had, that first one.
-- Moods are summed as numerics: a sum of floats would depend on the order of the rows.
-- Reads engagement_interaction by (account, occurred_at), day by day: OFFSET 0 keeps the planner, which cannot know how
-- short a day is, from reading the whole table instead.
WITH dirty AS (
    SELECT account_id, day, day::timestamp AT TIME ZONE %(zone)s AS begins,
           (day + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM unnest(%(accounts)s::bigint[], %(days)s::date[]) AS d (account_id, day)
), gone AS (
    DELETE FROM analytics_dailyinteractions r USING dirty d WHERE r.account_id = d.account_id AND r.day = d.day
), spoken AS (
    SELECT d.day, d.ends, i.account_id, i.team_id, i.kind, i.direction, i.is_public, i.sentiment,
           coalesce(i.customer_id, c.customer_id) AS customer_id
    FROM dirty d
    CROSS JOIN LATERAL (
        SELECT * FROM engagement_interaction i
        WHERE i.account_id = d.account_id AND i.occurred_at >= d.begins AND i.occurred_at < d.ends
            AND i.direction <> 'internal' AND i.deleted_at IS NULL AND i.kind <> 'visit'
        OFFSET 0
    ) i
    LEFT JOIN engagement_conversation c ON c.id = i.conversation_id AND i.customer_id IS NULL
), people AS (
    SELECT DISTINCT customer_id, day, ends FROM spoken WHERE customer_id IS NOT NULL
), belonging AS (
    SELECT p.customer_id, p.day, had.persona_id
    FROM people p
    LEFT JOIN personas_personamembership m ON m.customer_id = p.customer_id
    CROSS JOIN LATERAL personas_persona_on(p.customer_id, p.ends, m.persona_id) had
)
INSERT INTO analytics_dailyinteractions (day, account_id, team_id, network, kind, direction, is_public, persona_id, n,
                                         sentiment_sum, sentiment_n, positive_n, negative_n)
SELECT s.day, s.account_id, s.team_id, a.network, s.kind, s.direction, s.is_public, coalesce(b.persona_id, 0), count(*),
       coalesce(sum(s.sentiment::numeric), 0)::float8, count(s.sentiment), count(*) FILTER (WHERE s.sentiment >= 0.05),
       count(*) FILTER (WHERE s.sentiment <= -0.05)
FROM spoken s
JOIN engagement_channelaccount a ON a.id = s.account_id
LEFT JOIN belonging b ON b.customer_id = s.customer_id AND b.day = s.day
GROUP BY s.day, s.account_id, s.team_id, a.network, s.kind, s.direction, s.is_public, coalesce(b.persona_id, 0)
ON CONFLICT (day, account_id, team_id, kind, direction, is_public, persona_id) DO UPDATE
SET n = excluded.n, sentiment_sum = excluded.sentiment_sum, sentiment_n = excluded.sentiment_n,
    positive_n = excluded.positive_n, negative_n = excluded.negative_n
