-- First responses, by the local day on which the customer first wrote and their persona on it, of the days in
-- analytics_begun, in place of what stood there.
-- Reads engagement_conversation whole: no index knows on which local day one began.
WITH gone AS (
    DELETE FROM analytics_dailyservice r USING analytics_begun b WHERE r.account_id = b.account_id AND r.day = b.day
), talked AS (
    SELECT b.day, (b.day + 1)::timestamp AT TIME ZONE %(zone)s AS ends, c.account_id, c.team_id, c.customer_id,
           a.network, a.reply_goal_minutes, extract(epoch FROM c.first_answered_at - c.first_inbound_at) AS seconds
    FROM analytics_begun b
    JOIN engagement_channelaccount a ON a.id = b.account_id
    JOIN engagement_conversation c
        ON c.account_id = b.account_id AND (c.first_inbound_at AT TIME ZONE %(zone)s)::date = b.day
), people AS (
    SELECT DISTINCT customer_id, day, ends FROM talked WHERE customer_id IS NOT NULL
), belonging AS (
    SELECT p.customer_id, p.day, had.persona_id
    FROM people p
    LEFT JOIN personas_personamembership m ON m.customer_id = p.customer_id
    CROSS JOIN LATERAL personas_persona_on(p.customer_id, p.ends, m.persona_id) had
), answered AS (
    SELECT t.day, t.account_id, t.team_id, t.network, t.reply_goal_minutes, t.seconds,
           coalesce(g.persona_id, 0) AS persona_id
    FROM talked t LEFT JOIN belonging g ON g.customer_id = t.customer_id AND g.day = t.day
), bucketed AS (
    SELECT day, account_id, team_id, persona_id,
           width_bucket(seconds / 60.0, %(bounds)s::numeric[]) AS bucket, count(*) AS n
    FROM answered WHERE seconds IS NOT NULL
    GROUP BY day, account_id, team_id, persona_id, bucket
), counted AS (
    SELECT k.day, k.account_id, k.team_id, k.persona_id, jsonb_agg(coalesce(b.n, 0) ORDER BY k.slot) AS buckets
    FROM (
        SELECT * FROM (SELECT DISTINCT day, account_id, team_id, persona_id FROM answered) AS met
        CROSS JOIN generate_series(0, cardinality(%(bounds)s::numeric[])) AS slot
    ) k
    LEFT JOIN bucketed b ON b.bucket = k.slot AND b.day = k.day AND b.account_id = k.account_id
                         AND b.team_id = k.team_id AND b.persona_id = k.persona_id
    GROUP BY k.day, k.account_id, k.team_id, k.persona_id
)
INSERT INTO analytics_dailyservice (day, account_id, team_id, network, persona_id, conversations, answered, in_time,
                                    seconds_sum, buckets)
SELECT s.day, s.account_id, s.team_id, s.network, s.persona_id, count(*), count(s.seconds),
       count(*) FILTER (WHERE s.seconds <= s.reply_goal_minutes * 60), coalesce(sum(s.seconds), 0)::bigint, c.buckets
FROM answered s JOIN counted c USING (day, account_id, team_id, persona_id)
GROUP BY s.day, s.account_id, s.team_id, s.network, s.persona_id, c.buckets
ON CONFLICT (day, account_id, team_id, persona_id) DO UPDATE
SET conversations = excluded.conversations, answered = excluded.answered, in_time = excluded.in_time,
    seconds_sum = excluded.seconds_sum, buckets = excluded.buckets
