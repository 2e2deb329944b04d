-- The newest answer of each customer of the batch for each purpose; of equal times the refusal counts.
-- From crm_consent by customer.
SELECT DISTINCT ON (c.customer_id, c.purpose) c.customer_id, c.given
FROM nightly_batch b JOIN crm_consent c USING (customer_id)
ORDER BY c.customer_id, c.purpose, c.at DESC, c.whole_person DESC, c.given, c.id DESC
