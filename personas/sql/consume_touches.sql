-- Touches of the customers in nightly_batch: consumed in the transaction that refreshes their traits.
DELETE FROM crm_customertouch t USING nightly_batch b WHERE t.customer_id = b.customer_id RETURNING t.customer_id
