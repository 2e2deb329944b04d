-- Public lines of other customers in conversations of the batch. From nightly_written.
SELECT customer_id, other_id FROM nightly_written WHERE other_id IS NOT NULL
