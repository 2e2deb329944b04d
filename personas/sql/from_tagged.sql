-- Tags on the batch. From crm_customertag by customer.
SELECT x.customer_id, x.tag_id FROM nightly_batch b JOIN crm_customertag x USING (customer_id)
