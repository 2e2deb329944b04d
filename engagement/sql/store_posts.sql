-- Our posts as a page tells of them: made where they are new, else brought up to date. What is told of a later
-- moment (as_of) replaces, and figures one by one; what is told of an earlier moment, or by a comment that names its
-- post (no as_of), fills blanks alone. Who reacted to a post that turns out to be of another kind of media is touched.
-- Uses the unique index on (account_id, external_id), and engagement_interaction by post.
WITH before AS MATERIALIZED (
    SELECT p.id, p.media
    FROM jsonb_to_recordset(%(posts)s::jsonb) AS told (external_id text)
    JOIN engagement_post p ON p.account_id = %(account)s AND p.external_id = told.external_id
), stored AS (
INSERT INTO engagement_post AS known (account_id, external_id, text, url, media, topic, published_at, metrics,
                                      metrics_at, as_of)
SELECT %(account)s, p.external_id, p.text, p.url, p.media, '', p.published_at, p.metrics,
       CASE WHEN p.metrics <> '{}' THEN coalesce(p.as_of, statement_timestamp()) END,
       CASE WHEN p.text <> '' OR p.url <> '' OR p.media <> '' THEN p.as_of END
FROM jsonb_to_recordset(%(posts)s::jsonb)
    AS p (external_id text, text text, url text, media text, published_at timestamptz, metrics jsonb, as_of timestamptz)
ORDER BY p.external_id
ON CONFLICT (account_id, external_id) DO UPDATE
SET (text, url, media, published_at, as_of) = (
        SELECT coalesce(nullif(one.text, ''), other.text), coalesce(nullif(one.url, ''), other.url),
               coalesce(nullif(one.media, ''), other.media), coalesce(one.published_at, other.published_at),
               greatest(one.as_of, other.as_of)
        FROM (VALUES (excluded.text, excluded.url, excluded.media, excluded.published_at, excluded.as_of, true),
                     (known.text, known.url, known.media, known.published_at, known.as_of, false))
                 AS one (text, url, media, published_at, as_of, is_told),
             (VALUES (excluded.text, excluded.url, excluded.media, excluded.published_at, excluded.as_of, true),
                     (known.text, known.url, known.media, known.published_at, known.as_of, false))
                 AS other (text, url, media, published_at, as_of, is_told)
        WHERE one.is_told = coalesce(excluded.as_of >= coalesce(known.as_of, '-infinity'), false)
          AND other.is_told <> one.is_told
    ),
    metrics = CASE WHEN excluded.metrics_at >= coalesce(known.metrics_at, '-infinity')
                   THEN known.metrics || excluded.metrics ELSE excluded.metrics || known.metrics END,
    metrics_at = greatest(known.metrics_at, excluded.metrics_at)
WHERE (excluded.text <> '' AND excluded.text <> known.text)
   OR (excluded.url <> '' AND excluded.url <> known.url)
   OR (excluded.media <> '' AND excluded.media <> known.media)
   OR (excluded.published_at IS NOT NULL AND excluded.published_at IS DISTINCT FROM known.published_at)
   OR NOT known.metrics @> excluded.metrics
RETURNING known.id, known.media
)
INSERT INTO crm_customertouch (customer_id, at)
SELECT DISTINCT i.customer_id, statement_timestamp()
FROM stored s
JOIN before b ON b.id = s.id AND b.media <> s.media
JOIN engagement_interaction i ON i.post_id = s.id
WHERE i.customer_id IS NOT NULL
