-- CustomerDay of the customers in nightly_batch: only what differs is written.
-- From nightly_said, nightly_written and nightly_bought; writes by personas_customerday_unique.
WITH touched AS (
    SELECT customer_id, local_at::date AS day, network, kind, 'inbound' AS direction, is_public, sentiment,
        reason
    FROM nightly_said
    UNION ALL
    SELECT customer_id, local_at::date, network, kind, 'outbound', is_public, NULL, ''
    FROM nightly_written WHERE other_id IS NULL
    UNION ALL
    SELECT customer_id, local_at::date, left(source, 30), 'order', 'inbound', false, NULL, ''
    FROM nightly_bought
), found AS MATERIALIZED (
    SELECT customer_id, day, network, kind, direction, count(*) AS n, count(*) FILTER (WHERE is_public) AS public_n,
        count(*) FILTER (WHERE reason = 'question') AS question_n,
        count(*) FILTER (WHERE reason = 'complaint') AS complaint_n,
        count(*) FILTER (WHERE reason = 'praise') AS praise_n,
        count(*) FILTER (WHERE sentiment >= 0.05) AS positive_n,
        count(*) FILTER (WHERE sentiment <= -0.05) AS negative_n,
        coalesce(sum(sentiment), 0)::float8 AS sentiment_sum, count(sentiment) AS sentiment_n
    FROM touched GROUP BY customer_id, day, network, kind, direction
), held AS MATERIALIZED (
    SELECT d.* FROM personas_customerday d JOIN nightly_batch b USING (customer_id)
    WHERE d.customer_id BETWEEN %(first)s AND %(last)s
), gone AS (
    DELETE FROM personas_customerday d USING held h
    WHERE d.id = h.id AND NOT EXISTS (
        SELECT FROM found f
        WHERE (f.customer_id, f.day, f.network, f.kind, f.direction)
            = (h.customer_id, h.day, h.network, h.kind, h.direction)
    )
), changed AS (
    UPDATE personas_customerday d
    SET n = f.n, public_n = f.public_n, question_n = f.question_n, complaint_n = f.complaint_n,
        praise_n = f.praise_n, positive_n = f.positive_n, negative_n = f.negative_n,
        sentiment_sum = f.sentiment_sum, sentiment_n = f.sentiment_n
    FROM found f JOIN held h USING (customer_id, day, network, kind, direction)
    WHERE d.id = h.id
        AND (h.n, h.public_n, h.question_n, h.complaint_n, h.praise_n, h.positive_n, h.negative_n,
            h.sentiment_sum, h.sentiment_n)
            IS DISTINCT FROM (f.n, f.public_n, f.question_n, f.complaint_n, f.praise_n, f.positive_n,
            f.negative_n, f.sentiment_sum, f.sentiment_n)
)
INSERT INTO personas_customerday (
    customer_id, day, network, kind, direction, n, public_n, question_n, complaint_n, praise_n, positive_n,
    negative_n, sentiment_sum, sentiment_n
)
SELECT customer_id, day, network, kind, direction, n, public_n, question_n, complaint_n, praise_n, positive_n,
    negative_n, sentiment_sum, sentiment_n
FROM found f
WHERE NOT EXISTS (
    SELECT FROM held h
    WHERE (f.customer_id, f.day, f.network, f.kind, f.direction)
        = (h.customer_id, h.day, h.network, h.kind, h.direction)
)
