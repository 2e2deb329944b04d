-- Topics of what customers of the batch said, one row each; hashtags are names of all sorts and left out.
SELECT s.customer_id, s.reason, t.topic COLLATE "C" AS topic
FROM nightly_said s CROSS JOIN LATERAL unnest(s.topics) AS t (topic)
WHERE s.kind IN ('message', 'comment', 'mention', 'review', 'call') AND left(t.topic, 1) <> '#'
