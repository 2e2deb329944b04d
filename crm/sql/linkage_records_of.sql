-- The same as linkage_records.sql, of some customers: by the primary key and the index on identity.customer.
SELECT c.id, c.kind, c.name, c.city, c.country, c.company, c.birth_year,
       coalesce((
           SELECT json_agg(json_build_array(network, external_id, handle, name) ORDER BY i.id)
           FROM crm_identity i WHERE i.customer_id = c.id
       ), '[]'::json) AS handles
FROM crm_customer c
WHERE c.merged_into_id IS NULL AND c.id = ANY(%(ids)s)
ORDER BY c.id
