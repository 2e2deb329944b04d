-- The identities of a page, locked against a merge, and the customers that own them.
-- FOR SHARE: many ingests at once, no merge in between. Served by the unique key; locked in order of id.
SELECT i.id, i.network, i.issuer, i.external_id, i.customer_id, i.home_customer_id
FROM crm_identity i
JOIN jsonb_to_recordset(%(keys)s::jsonb) AS k (network text, issuer text, external_id text)
    USING (network, issuer, external_id)
ORDER BY i.id
FOR SHARE OF i
