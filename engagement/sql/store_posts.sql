-- Our posts as a page tells of them: made where they are new, else brought up to date. What is not told stays,
-- and figures are replaced one by one. Uses the unique index on (account_id, external_id).
INSERT INTO engagement_post (account_id, external_id, text, url, media, topic, published_at, metrics, metrics_at)
SELECT %(account)s, p.external_id, p.text, p.url, p.media, '', p.published_at, p.metrics,
       CASE WHEN p.metrics <> '{}' THEN statement_timestamp() END
FROM jsonb_to_recordset(%(posts)s::jsonb)
    AS p (external_id text, text text, url text, media text, published_at timestamptz, metrics jsonb)
ORDER BY p.external_id
ON CONFLICT (account_id, external_id) DO UPDATE
SET text = coalesce(nullif(excluded.text, ''), engagement_post.text),
    url = coalesce(nullif(excluded.url, ''), engagement_post.url),
    media = coalesce(nullif(excluded.media, ''), engagement_post.media),
    published_at = coalesce(excluded.published_at, engagement_post.published_at),
    metrics = engagement_post.metrics || excluded.metrics,
    metrics_at = coalesce(excluded.metrics_at, engagement_post.metrics_at)
WHERE (excluded.text <> '' AND excluded.text <> engagement_post.text)
   OR (excluded.url <> '' AND excluded.url <> engagement_post.url)
   OR (excluded.media <> '' AND excluded.media <> engagement_post.media)
   OR (excluded.published_at IS NOT NULL AND excluded.published_at IS DISTINCT FROM engagement_post.published_at)
   OR NOT engagement_post.metrics @> excluded.metrics
