-- Handles, addresses and numbers of the batch. From crm_identity by customer.
SELECT i.customer_id FROM nightly_batch b JOIN crm_identity i USING (customer_id)
