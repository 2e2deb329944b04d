-- A customer and all it has absorbed, through any number of merges. Reads crm_customer by merged_into.
WITH RECURSIVE tree AS (
    SELECT id FROM crm_customer WHERE id = %(id)s
    UNION ALL
    SELECT c.id FROM crm_customer c JOIN tree ON c.merged_into_id = tree.id
)
SELECT id FROM tree ORDER BY id
