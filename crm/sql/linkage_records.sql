-- What the search for duplicates compares, of every customer that was not merged away, in order of id:
-- what stands on the record, and all identities as [network, id, as read, name].
-- Reads all customers and all identities once (hash join); one that was erased is not there.
SELECT c.id, c.kind, c.name, c.city, c.country, c.company, c.birth_year,
       coalesce(i.handles, '[]'::json) AS handles
FROM crm_customer c
LEFT JOIN (
    SELECT customer_id, json_agg(json_build_array(network, external_id, handle, name) ORDER BY id) AS handles
    FROM crm_identity GROUP BY customer_id
) i ON i.customer_id = c.id
WHERE c.merged_into_id IS NULL
ORDER BY c.id
