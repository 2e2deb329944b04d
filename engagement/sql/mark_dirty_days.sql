-- Days of an account whose rollups must be computed again.
INSERT INTO engagement_dirtyday (account_id, day, at)
SELECT DISTINCT %(account)s, (moment AT TIME ZONE %(zone)s)::date, statement_timestamp()
FROM unnest(%(moments)s::timestamptz[]) AS moment
ORDER BY 2
ON CONFLICT (account_id, day) DO UPDATE SET at = excluded.at
