-- The next customers of the rebuild in order of id, into nightly_batch.
INSERT INTO nightly_batch (customer_id)
SELECT customer_id FROM personas_changedcustomer
WHERE customer_id > %(after)s
ORDER BY customer_id
LIMIT %(limit)s
