-- Writes the pairs that a search found: new ones open, those that wait with their newest evidence. What staff
-- answered stays as it is, and a pair whose customer was merged or erased meanwhile is left out.
-- From: pairs as JSON. Index: crm_suspect_once.
INSERT INTO crm_suspect (low_id, high_id, probability, evidence, state, found_at)
SELECT p.low, p.high, p.probability, p.evidence, 'open', now()
FROM jsonb_to_recordset(%(pairs)s::jsonb) AS p(low bigint, high bigint, probability float, evidence jsonb)
JOIN crm_customer l ON l.id = p.low AND l.merged_into_id IS NULL
JOIN crm_customer h ON h.id = p.high AND h.merged_into_id IS NULL
ORDER BY p.low, p.high
ON CONFLICT (low_id, high_id) DO UPDATE
SET probability = excluded.probability, evidence = excluded.evidence
WHERE crm_suspect.state IN ('open', 'later')
