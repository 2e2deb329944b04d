-- Takes away the pairs that nobody answered and that no longer belong to the queue: not found again, or with
-- a customer who was merged. One that was put off stays until its day has come.
-- From: the ids of the pairs that were found. Index: crm_suspect_queue.
DELETE FROM crm_suspect s
USING crm_customer l, crm_customer h
WHERE l.id = s.low_id AND h.id = s.high_id
  AND (s.state = 'open' OR (s.state = 'later' AND s.later_until <= %(today)s::date))
  AND (
      l.merged_into_id IS NOT NULL OR h.merged_into_id IS NOT NULL
      OR NOT EXISTS (
          SELECT 1 FROM unnest(%(lows)s::bigint[], %(highs)s::bigint[]) AS f(low, high)
          WHERE f.low = s.low_id AND f.high = s.high_id
      )
  )
