-- Interactions and orders of the batch at the time on the customer's own clock. Habits are those of words and orders,
-- which a hundred page views would drown.
-- OFFSET 0 has each part of a time taken once, and not once for every trait.
SELECT customer_id, has_hour, date_part('hour', own_at)::int AS hour, date_part('isodow', own_at)::int AS weekday,
    date_part('day', own_at)::int AS day, date_part('month', own_at)::int AS month
FROM (
    SELECT customer_id, own_at, true AS has_hour FROM nightly_said
    WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
    UNION ALL
    SELECT customer_id, own_at, has_hour FROM nightly_bought
) touch
OFFSET 0
