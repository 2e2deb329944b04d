-- Conversations whose new owner wrote none of the page: the owner's identity is locked as a merge locks it, and the
-- conversation goes to the customer who has it at that moment.
WITH owner AS MATERIALIZED (
    SELECT i.id, i.customer_id
    FROM crm_identity i
    WHERE i.id IN (SELECT identity_id FROM engagement_conversation WHERE id = ANY(%(ids)s))
    ORDER BY i.id
    FOR SHARE
)
UPDATE engagement_conversation c
SET customer_id = owner.customer_id
FROM owner
WHERE c.identity_id = owner.id AND c.id = ANY(%(ids)s) AND c.customer_id IS DISTINCT FROM owner.customer_id
