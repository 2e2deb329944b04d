-- Members of one segment, written where they differ from those in nightly_members; who came and who left is
-- kept when somebody is told. Reads personas_segmentmembership by personas_segmentmembership_unique.
WITH came AS (
    INSERT INTO personas_segmentmembership (segment_id, customer_id, version, since)
    SELECT %(segment)s, f.customer_id, %(version)s, %(now)s
    FROM nightly_members f
    WHERE NOT EXISTS (
        SELECT FROM personas_segmentmembership m WHERE m.segment_id = %(segment)s AND m.customer_id = f.customer_id
    )
    ORDER BY f.customer_id  -- in the order of the indexes
    RETURNING customer_id
), gone AS (
    DELETE FROM personas_segmentmembership m
    WHERE m.segment_id = %(segment)s
        AND NOT EXISTS (SELECT FROM nightly_members f WHERE f.customer_id = m.customer_id)
    RETURNING customer_id
), kept AS (
    UPDATE personas_segmentmembership m SET version = %(version)s
    FROM nightly_members f
    WHERE m.segment_id = %(segment)s AND m.customer_id = f.customer_id AND m.version <> %(version)s
), changes AS (
    INSERT INTO personas_segmentchange (segment_id, customer_id, entered, version, at)
    SELECT %(segment)s, customer_id, true, %(version)s, %(now)s FROM came WHERE %(told)s
    UNION ALL
    SELECT %(segment)s, customer_id, false, %(version)s, %(now)s FROM gone WHERE %(told)s
    RETURNING customer_id, entered
)
SELECT
    (SELECT count(*) FROM came) AS came,
    (SELECT count(*) FROM gone) AS gone,
    (SELECT coalesce(array_agg(customer_id ORDER BY customer_id) FILTER (WHERE entered), '{}') FROM changes) AS entered,
    (SELECT coalesce(array_agg(customer_id ORDER BY customer_id) FILTER (WHERE NOT entered), '{}') FROM changes) AS left
