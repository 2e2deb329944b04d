-- Puts tags on customers; one that is there already stays as it is.
INSERT INTO crm_customertag (tag_id, home_customer_id, customer_id, at)
SELECT t.tag_id, t.customer_id, t.customer_id, statement_timestamp()
FROM unnest(%(customers)s::bigint[], %(tags)s::bigint[]) AS t (customer_id, tag_id)
ON CONFLICT (home_customer_id, tag_id) DO NOTHING
RETURNING id, customer_id, tag_id
