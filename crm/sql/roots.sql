-- The root of each of these customers: where the way over merged_into ends.
WITH RECURSIVE up AS (
    SELECT id, id AS at, merged_into_id FROM crm_customer WHERE id = ANY(%(ids)s)
    UNION ALL
    SELECT up.id, c.id, c.merged_into_id FROM up JOIN crm_customer c ON c.id = up.merged_into_id
)
SELECT id, at AS root FROM up WHERE merged_into_id IS NULL
