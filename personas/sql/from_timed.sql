-- Interactions and orders of the batch at the time on the customer's own clock. Habits are those of words and orders,
-- which a hundred page views would drown.
SELECT customer_id, own_at, true AS has_hour FROM nightly_said
WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
UNION ALL
SELECT customer_id, own_at, has_hour FROM nightly_bought
