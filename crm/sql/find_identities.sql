-- The identities of a page that are known, and the customers that own them, without a lock.
-- Served by the unique key (network, issuer, external_id).
SELECT i.id, i.network, i.issuer, i.external_id, i.customer_id, i.home_customer_id
FROM crm_identity i
JOIN jsonb_to_recordset(%(keys)s::jsonb) AS k (network text, issuer text, external_id text)
    USING (network, issuer, external_id)
