-- The stage among the traits of %(customers)s, after their journeys were computed.
-- Reads crm_customer and personas_traits by key.
UPDATE personas_traits t SET stage = c.stage
FROM crm_customer c
WHERE c.id = t.customer_id AND t.customer_id = ANY(%(customers)s::bigint[]) AND t.stage IS DISTINCT FROM c.stage
