-- Visits of the batch to pages and app screens. From nightly_said.
SELECT customer_id, days_ago FROM nightly_said WHERE kind = 'visit'
