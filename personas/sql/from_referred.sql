-- Customers whom somebody of the batch brought; who was merged away is counted with the survivor.
-- From crm_customer by referred_by.
SELECT b.customer_id
FROM nightly_batch b JOIN crm_customer r ON r.referred_by_id = b.customer_id
WHERE r.merged_into_id IS NULL AND r.id <> b.customer_id
