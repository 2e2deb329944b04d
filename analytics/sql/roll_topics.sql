-- Topics of the given days, in place of what stood there. Reads engagement_interaction by (account, occurred_at).
WITH dirty AS (
    SELECT account_id, day, day::timestamp AT TIME ZONE %(zone)s AS begins,
           (day + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM unnest(%(accounts)s::bigint[], %(days)s::date[]) AS d (account_id, day)
), gone AS (
    DELETE FROM analytics_dailytopics r USING dirty d WHERE r.account_id = d.account_id AND r.day = d.day
)
INSERT INTO analytics_dailytopics (day, account_id, team_id, network, topic, n, negative_n)
SELECT d.day, i.account_id, i.team_id, a.network, topic, count(*), count(*) FILTER (WHERE i.sentiment <= -0.05)
FROM dirty d
JOIN engagement_interaction i
    ON i.account_id = d.account_id AND i.occurred_at >= d.begins AND i.occurred_at < d.ends
JOIN engagement_channelaccount a ON a.id = i.account_id
CROSS JOIN unnest(i.topics) AS topic
WHERE i.direction = 'inbound' AND i.deleted_at IS NULL
GROUP BY d.day, i.account_id, i.team_id, a.network, topic
ON CONFLICT (day, account_id, team_id, topic) DO UPDATE SET n = excluded.n, negative_n = excluded.negative_n
