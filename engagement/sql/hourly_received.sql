-- What one account received in each hour of a stretch of time, by the workspace's clock.
-- Reads: engagement_int_account (account, occurred_at).
SELECT
    (date_trunc('hour', occurred_at AT TIME ZONE %(zone)s))::date AS day,
    extract(hour FROM occurred_at AT TIME ZONE %(zone)s)::int AS hour,
    count(*) AS n
FROM engagement_interaction
WHERE account_id = %(account)s
    AND occurred_at > %(since)s AND occurred_at <= %(until)s
    AND direction = 'inbound' AND kind <> 'visit'
GROUP BY 1, 2
