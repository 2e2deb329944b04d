-- Inserts the new identities of one page, in sorted order. One that somebody else inserted meanwhile is left
-- out: the caller counts the rows.
INSERT INTO crm_identity (network, issuer, external_id, handle, name, verified, source, created_at,
                          home_customer_id, customer_id)
SELECT i.network, i.issuer, i.external_id, i.handle, i.name, false, %(source)s, statement_timestamp(),
       i.customer_id, i.customer_id
FROM jsonb_to_recordset(%(identities)s::jsonb) AS i (
    network text, issuer text, external_id text, handle text, name text, customer_id bigint
)
ORDER BY i.network, i.issuer, i.external_id
ON CONFLICT (network, issuer, external_id) DO NOTHING
RETURNING id, network, issuer, external_id
