-- Keeps what the rows of one page of an import are known by.
INSERT INTO core_importkey (run_id, key, number, digest)
SELECT %(run)s, k.key, k.number, k.digest
FROM unnest(%(keys)s::bigint[], %(numbers)s::integer[], %(digests)s::bigint[]) AS k (key, number, digest)
ON CONFLICT DO NOTHING
