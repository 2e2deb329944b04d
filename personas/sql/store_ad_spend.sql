-- A page of what advertising cost: new days inserted, known ones changed only where something differs.
-- The amount in the workspace's currency takes the newest rate of the day or the seven days before it, as orders do;
-- without one it stays NULL and is left out of sums. Served by the unique key (network, campaign, day).
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS i (
        network text, campaign text, day date, amount numeric, currency text
    )
)
INSERT INTO personas_adspend AS s (network, campaign, day, amount, currency, base_amount, source, by_id, at)
SELECT i.network, i.campaign, i.day, i.amount, i.currency,
    CASE WHEN i.currency = %(currency)s THEN i.amount ELSE round(i.amount * r.rate, 2) END,
    %(source)s, %(by)s, statement_timestamp()
FROM incoming i
LEFT JOIN LATERAL (
    SELECT rate FROM crm_exchangerate x
    WHERE x.currency = i.currency AND x.day BETWEEN i.day - 7 AND i.day
    ORDER BY x.day DESC LIMIT 1
) r ON true
ORDER BY i.network, i.campaign, i.day
ON CONFLICT (network, campaign, day) DO UPDATE
SET amount = excluded.amount, currency = excluded.currency, base_amount = excluded.base_amount,
    source = excluded.source, by_id = excluded.by_id, at = excluded.at
WHERE (s.amount, s.currency) IS DISTINCT FROM (excluded.amount, excluded.currency)
    OR s.base_amount IS DISTINCT FROM excluded.base_amount
RETURNING id, network, campaign, day, xmax = 0 AS inserted
