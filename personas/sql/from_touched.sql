-- Every touch of the batch: interactions, visits and orders. Visits show when somebody was here.
SELECT customer_id, at, days_ago FROM nightly_said
WHERE kind IN ('message', 'comment', 'mention', 'review', 'call', 'visit')
UNION ALL
SELECT customer_id, at, days_ago FROM nightly_bought
