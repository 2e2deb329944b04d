-- What we wrote in conversations of the batch. From nightly_written.
SELECT customer_id, days_ago FROM nightly_written
WHERE other_id IS NULL AND kind IN ('message', 'comment', 'mention', 'review', 'call')
