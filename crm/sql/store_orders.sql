-- A page of orders: new ones inserted, known ones changed only where something differs, and never by what was so
-- before (as_of).
-- The amount in the workspace's currency takes the newest rate of the day or the seven days before it; without
-- one it stays NULL and is left out of sums. Served by the unique key (source, external_id).
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(orders)s::jsonb) AS i (
        external_id text, number text, status text, placed_at timestamptz, units int, total numeric, discount numeric,
        refunded numeric, currency text, as_of timestamptz, identity_id bigint, home_customer_id bigint, customer_id bigint
    )
), left_days AS (
    -- an order that moves to another day leaves a rollup behind that counts it
    INSERT INTO crm_dirtyorderday (day, at)
    SELECT DISTINCT (old.placed_at AT TIME ZONE %(zone)s)::date, statement_timestamp()
    FROM crm_order old JOIN incoming i ON old.source = %(source)s AND old.external_id = i.external_id
    WHERE old.placed_at <> i.placed_at
    ORDER BY 1
    ON CONFLICT (day) DO UPDATE SET at = excluded.at
)
INSERT INTO crm_order AS o (source, external_id, number, status, placed_at, units, total, discount, refunded, currency,
                            base_total, identity_id, home_customer_id, customer_id, as_of, created_at, updated_at)
SELECT %(source)s, i.external_id, i.number, i.status, i.placed_at, i.units, i.total, i.discount, i.refunded, i.currency,
       CASE WHEN i.currency = %(currency)s THEN i.total ELSE round(i.total * r.rate, 2) END,
       i.identity_id, i.home_customer_id, i.customer_id, i.as_of, statement_timestamp(), statement_timestamp()
FROM incoming i
LEFT JOIN LATERAL (
    SELECT rate FROM crm_exchangerate x
    WHERE x.currency = i.currency
      AND x.day BETWEEN (i.placed_at AT TIME ZONE %(zone)s)::date - 7 AND (i.placed_at AT TIME ZONE %(zone)s)::date
    ORDER BY x.day DESC LIMIT 1
) r ON true
ORDER BY i.external_id
ON CONFLICT (source, external_id) DO UPDATE
SET number = excluded.number, status = excluded.status, placed_at = excluded.placed_at, units = excluded.units,
    total = excluded.total, discount = excluded.discount, refunded = excluded.refunded,
    currency = excluded.currency, base_total = excluded.base_total, updated_at = excluded.updated_at,
    as_of = coalesce(excluded.as_of, o.as_of)
WHERE ((excluded.as_of >= o.as_of OR excluded.as_of IS NULL OR o.as_of IS NULL)
       AND (o.number, o.status, o.placed_at, o.units, o.total, o.discount, o.refunded, o.currency)
           IS DISTINCT FROM (excluded.number, excluded.status, excluded.placed_at, excluded.units, excluded.total,
                             excluded.discount, excluded.refunded, excluded.currency))
   OR excluded.as_of > o.as_of
RETURNING o.id, o.external_id, (o.created_at = o.updated_at) AS inserted
