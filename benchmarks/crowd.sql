-- What `_crowd.py` makes, statement by statement; each part is headed by the table it fills.

-- == drawing
-- draw: a hash as a positive number; unit: as a fraction under 1; normal: about N(0, 1); kind: of a customer.
CREATE OR REPLACE FUNCTION pg_temp.draw(i bigint, salt bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN hashint8extended(i, %(seed)s + salt) & 9223372036854775807;
CREATE OR REPLACE FUNCTION pg_temp.unit(i bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN ((hashint8extended(i, %(seed)s + salt) & 1048575) + 0.5) / 1048576;
CREATE OR REPLACE FUNCTION pg_temp.normal(i bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN sqrt(-2 * ln(pg_temp.unit(i, salt))) * cos(6.283185307 * pg_temp.unit(i, salt + 500));
CREATE OR REPLACE FUNCTION pg_temp.kind(i bigint) RETURNS int LANGUAGE sql IMMUTABLE
RETURN 1 + ((hashint8extended(i, %(seed)s + 1) & 1048575) %% 5)::int;
CREATE TEMP TABLE IF NOT EXISTS crowd_fragment AS
SELECT n, 'We ' || (
    SELECT string_agg((ARRAY['asked', 'about', 'the', 'parcel', 'shirt', 'blue', 'box', 'still', 'waiting',
        'thanks', 'when', 'colour', 'never', 'again', 'really', 'nice', 'size', 'and', 'broken', 'zip',
        'please', 'order', 'shop', 'Tuesday', 'kettle', 'brown', 'small', 'soft', 'late', 'refund'])
        [1 + pg_temp.draw(n * 40 + k, 2) %% 30], ' ')
    FROM generate_series(1, (5 + n %% 27)::int) AS k
) AS text FROM generate_series(0, %(n_fragments)s::bigint - 1) AS n;
ANALYZE crowd_fragment

-- == crm_customer
INSERT INTO crm_customer (id, kind, name, language, country, city, zone, birth_year, job, company, note, stage,
    profiling_refused, created_at, last_seen_at)
SELECT i, CASE WHEN h %% 400 = 0 THEN 'organization' ELSE 'person' END, 'Customer ' || i,
    (%(languages)s::text[])[p], (%(countries)s::text[])[p],
    CASE WHEN h %% 3 = 0 THEN '' ELSE (%(cities)s::text[])[p] END,
    CASE WHEN h %% 7 < 5 THEN '' ELSE (%(zones)s::text[])[p] END,
    CASE WHEN h %% 10 < 4 THEN 1945 + pg_temp.draw(i, 4) %% 60 END,
    CASE WHEN h %% 11 = 0 THEN (ARRAY['teacher', 'nurse', 'engineer', 'baker'])[1 + h %% 4] ELSE '' END,
    '', '', 'awareness', h %% 200 = 7,
    date_trunc('day', now()) - (pg_temp.draw(i, 5) %% (%(days)s * 86400)) * interval '1 second', NULL
FROM (
    SELECT i, pg_temp.draw(i, 3) AS h, 1 + (pg_temp.draw(i, 6) %% 20)::int AS p
    FROM generate_series(1, %(customers)s::bigint) AS i
) AS drawn

-- == crm_identity
-- Identity i is the address of customer i; every second customer has a handle besides.
INSERT INTO crm_identity (id, network, issuer, external_id, handle, name, verified, source, created_at,
    home_customer_id, customer_id)
SELECT i, 'email', '', 'c' || i || '@crowd.example', '', '', false, 'crowd', now(), i, i
FROM generate_series(1, %(customers)s::bigint) AS i
UNION ALL
SELECT %(customers)s + i, (%(networks)s::text[])[2 + pg_temp.draw(i, 7) %% 4], 'crowd', (700000000 + i)::text,
    '@c' || i, '', false, 'crowd', now(), i, i
FROM generate_series(2, %(customers)s::bigint, 2) AS i

-- == engagement_post
INSERT INTO engagement_post (id, external_id, text, url, media, topic, published_at, metrics, account_id)
SELECT n, 'post-' || n, '', '', (ARRAY['image', 'video', 'text', 'carousel'])[1 + pg_temp.draw(n, 8) %% 4],
    (%(topics)s::text[])[1 + pg_temp.draw(n, 9) %% 12],
    date_trunc('day', now()) - (%(days)s - n * %(days)s / 2000.0) * interval '1 day', '{}',
    (%(accounts)s::bigint[])[2 + n %% 4]
FROM generate_series(1, 2000) AS n

-- == crm_customertag
INSERT INTO crm_tag (name, tone) SELECT unnest(%(tags)s::text[]), 1;
INSERT INTO crm_customertag (at, customer_id, home_customer_id, tag_id)
SELECT now() - interval '40 days', i, i, t.id
FROM generate_series(1, %(customers)s::bigint) AS i
JOIN crm_tag t ON pg_temp.draw(i, 100 + t.id) %% 32 = 0

-- == crm_consent
-- A third said yes once; of the others some changed their minds, and some refused for all their handles.
INSERT INTO crm_consent (purpose, given, whole_person, source, proof, at, customer_id, home_customer_id, identity_id)
SELECT purpose, given, NOT given AND h %% 5 = 0, 'crowd', '', date_trunc('day', now())
    - ((pg_temp.draw(i, 11) %% 600) + later) * interval '1 day', i, i, i
FROM (
    SELECT i, pg_temp.draw(i, 10) AS h FROM generate_series(1, %(customers)s::bigint) AS i
) AS drawn CROSS JOIN LATERAL (VALUES
    ('ads', h %% 3 = 0, true, 100), ('ads', h %% 12 = 0, false, 20), ('ads', h %% 8 = 5, false, 50),
    ('profiling', h %% 9 = 4, true, 60)
) AS one (purpose, has, given, later)
WHERE has

-- == engagement_conversation
-- Who speaks is drawn by a steep rank; three in ten never do. Times of day follow the customer's kind.
INSERT INTO engagement_conversation (id, subject, is_public, status, priority, created_at, first_at,
    first_inbound_at, last_at, last_inbound_at, first_answered_at, last_text, last_direction, count, account_id,
    team_id, customer_id, home_customer_id, identity_id, post_id)
SELECT c, '', is_public, CASE WHEN c > %(conversations)s * 0.99 THEN 'open' ELSE 'resolved' END, 2, at, at, at,
    at + (lines - 1) * step, at, CASE WHEN lines > 1 THEN at + step END, '',
    CASE WHEN lines %% 2 = 1 THEN 'inbound' ELSE 'outbound' END, lines, (%(accounts)s::bigint[])[net], %(team)s,
    person, person, person, CASE WHEN is_public AND net BETWEEN 2 AND 5 THEN 1 + h %% 2000 END
FROM (
    SELECT c, h, person, net, (ARRAY[1, 1, 2, 3, 3, 4, 5, 6, 7, 8])[1 + c %% 10] AS lines,
        net = 7 OR (net IN (2, 3, 5) AND h / 1024 %% 10 < CASE kind WHEN 2 THEN 8 WHEN 4 THEN 6 ELSE 2 END)
            AS is_public,
        date_trunc('day', now()) - interval '16 days'
            - floor((%(days)s - 16) * (1 - c / %(conversations)s::float8)) * interval '1 day'
            + CASE kind WHEN 1 THEN 9 + h / 65536 %% 8 WHEN 2 THEN 18 + h / 65536 %% 5 WHEN 3 THEN 7 + h / 65536 %% 6
                WHEN 4 THEN h / 65536 %% 24 ELSE 10 + h / 65536 %% 11 END * interval '1 hour'
            + (h / 1048576 %% 3600) * interval '1 second' AS at,
        interval '3 minutes' + (interval '40 hours') * power(pg_temp.unit(c, 13), 1 + pg_temp.draw(person, 14) %% 6)
            AS step
    FROM (
        SELECT c, h, person, pg_temp.kind(person) AS kind,
            (%(habits)s::int[])[pg_temp.kind(person)][1 + (pg_temp.draw(c, 15) %% 10)::int] AS net
        FROM (
            SELECT c, pg_temp.draw(c, 12) AS h,
                1 + (floor(0.7 * %(customers)s * power(pg_temp.unit(c, 16), 1.7))::bigint * %(mixer)s)
                    %% %(customers)s AS person
            FROM generate_series(1, %(conversations)s::bigint) AS c
        ) AS who
    ) AS where_
) AS when_

-- == engagement_interaction
INSERT INTO engagement_interaction (external_id, staff_name, kind, direction, is_public, is_automatic,
    occurred_at, received_at, subject, text, rating, in_reply_to, object_key, language, sentiment, reason, topics,
    reader, deleted_at, account_id, conversation_id, team_id, customer_id, home_customer_id, identity_id, post_id)
SELECT 'c' || c || '-' || k, '', kind, CASE WHEN inbound THEN 'inbound' ELSE 'outbound' END, is_public,
    NOT inbound AND h %% 50 = 0, at, at, '', f.text,
    CASE WHEN kind = 'review' AND inbound THEN CASE reason WHEN 'praise' THEN 5 WHEN 'complaint' THEN 1 ELSE 3 END END,
    '', CASE WHEN is_public AND h %% 97 = 0 THEN 'crowd:' || c ELSE '' END,
    CASE WHEN inbound THEN (%(languages)s::text[])[1 + (pg_temp.draw(person, 6) %% 20)::int] ELSE 'en' END,
    CASE WHEN inbound AND h / 64 %% 12 > 0 THEN round(greatest(-1, least(1, CASE reason WHEN 'complaint' THEN -0.45
        WHEN 'praise' THEN 0.6 ELSE 0.05 END + 0.25 * pg_temp.normal(i, 18)))::numeric, 4)::float8 END,
    CASE WHEN inbound THEN reason ELSE '' END,
    CASE WHEN inbound AND h / 1024 %% 3 > 0 THEN (%(topics)s::text[])
        [1 + (h / 4096 %% 12)::int : 1 + (h / 4096 %% 12)::int + (h / 65536 %% 2)::int]
        ELSE '{}' END, CASE WHEN inbound THEN 1 ELSE 0 END,
    CASE WHEN h %% 211 = 0 THEN at + interval '1 hour' END, account_id, c, %(team)s,
    CASE WHEN inbound THEN person END, CASE WHEN inbound THEN person END, CASE WHEN inbound THEN person END, post_id
FROM (
    SELECT v.id AS c, k, v.id * 8 + k AS i, v.customer_id AS person, v.is_public, v.account_id, v.post_id,
        k %% 2 = 0 OR pg_temp.draw(v.id * 8 + k, 19) %% 10 = 0 AS inbound,
        pg_temp.draw(v.id * 8 + k, 17) AS h,
        v.first_at + k * CASE WHEN v.count > 1 THEN (v.last_at - v.first_at) / (v.count - 1) ELSE interval '0' END AS at,
        CASE array_position(%(accounts)s::bigint[], v.account_id) WHEN 6 THEN 'call' WHEN 7 THEN 'review'
            ELSE CASE WHEN v.is_public THEN CASE WHEN k > 0 THEN 'comment' ELSE 'mention' END ELSE 'message' END END
            AS kind,
        (%(reasons)s::text[])[pg_temp.kind(v.customer_id)][1 + (pg_temp.draw(v.id * 8 + k, 20) %% 10)::int] AS reason
    FROM engagement_conversation v CROSS JOIN LATERAL generate_series(0, v.count - 1) AS k
    ORDER BY v.id, k
) AS line JOIN crowd_fragment f ON f.n = h / 2097152 %% %(n_fragments)s
UNION ALL
SELECT 'v' || i, '', 'visit', 'inbound', false, false, at, at, '', '', NULL, '', '', '', NULL, '', '{}', 0, NULL,
    (%(accounts)s::bigint[])[9], NULL, %(team)s, person, person, person, NULL
FROM (
    SELECT i, date_trunc('day', now()) - interval '1 day' + (pg_temp.draw(i, 22) %% 86400) * interval '1 second'
            - floor((%(days)s - 1) * (1 - i / %(visits)s::float8)) * interval '1 day' AS at,
        1 + (floor(%(customers)s * power(pg_temp.unit(i, 21), 2))::bigint * %(mixer)s) %% %(customers)s AS person
    FROM generate_series(1, %(visits)s::bigint) AS i
) AS visit

-- == engagement_visitcontent
INSERT INTO engagement_visitcontent (interaction_id, event, url, referrer, properties, intent)
SELECT id, 'page', '', '', '{}', (ARRAY['', '', '', 'product', 'product', 'cart'])[1 + id %% 6]
FROM engagement_interaction WHERE kind = 'visit'

-- == crm_order
-- Rates are lognormal, chances to leave skewed towards small ones; two in three customers ever buy.
CREATE TEMP TABLE crowd_order AS
SELECT row_number() OVER (ORDER BY at, o) AS i, o, person, at FROM (
    SELECT person * 64 + n AS o, person, at FROM (
        SELECT person, n, began + sum(CASE WHEN n = 0 THEN 0 ELSE -ln(pg_temp.unit(person * 64 + n, 31)) / rate END)
            OVER (PARTITION BY person ORDER BY n) * interval '1 day' AS at
        FROM (
            SELECT i AS person, exp(-4.0 + 1.1 * pg_temp.normal(i, 32)) AS rate,
                least(40, floor(ln(pg_temp.unit(i, 33))
                    / ln(1 - (0.03 + 0.6 * power(pg_temp.unit(i, 34), 2)))))::int AS most,
                date_trunc('day', now()) - (1 + %(days)s * pg_temp.unit(i, 35)) * interval '1 day' AS began
            FROM generate_series(1, %(customers)s::bigint) AS i WHERE pg_temp.draw(i, 30) %% 20 < 17
        ) AS buyer CROSS JOIN LATERAL generate_series(0, most) AS n
    ) AS bought WHERE at < date_trunc('day', now()) - interval '1 day'
    ORDER BY pg_temp.draw(person * 64 + n, 36) LIMIT %(orders)s
) AS kept;
CREATE TEMP TABLE crowd_line AS
SELECT b.i, b.person, n, 'sku-' || product AS sku, (%(categories)s::text[])[1 + product %% 10] AS category,
    1 + pg_temp.draw(b.o * 8 + n, 38) %% 3 AS units, round((8 + 4 * (product %% 29))::numeric, 2) AS price
FROM crowd_order b
CROSS JOIN LATERAL generate_series(1, 1 + (pg_temp.draw(b.o, 37) %% 3)::int) AS n
CROSS JOIN LATERAL (SELECT (300 * power(pg_temp.unit(b.o * 8 + n, 39), 1.5))::int / 2
    + 30 * (pg_temp.draw(b.person, 40) %% 5)::int AS product) AS chosen;
INSERT INTO crm_order (id, source, external_id, number, status, placed_at, units, total, discount, refunded,
    currency, base_total, home_customer_id, customer_id, identity_id, created_at, updated_at)
SELECT b.i, CASE WHEN b.o %% 9 = 0 THEN 'till' ELSE 'shop' END, (5000000 + b.i)::text, '',
    CASE WHEN h %% 100 < 2 THEN 'cancelled' WHEN h %% 100 < 6 THEN 'refunded' ELSE 'paid' END, b.at, l.units, l.total,
    CASE WHEN h / 128 %% 5 < pg_temp.kind(b.person) - 2 THEN round(l.total / 10, 2) ELSE 0 END,
    CASE WHEN h %% 100 BETWEEN 2 AND 5 THEN l.total ELSE 0 END, 'USD',
    CASE WHEN h %% 120 > 0 THEN l.total END, b.person, b.person, b.person, b.at, b.at
FROM (SELECT *, pg_temp.draw(o, 41) AS h FROM crowd_order) b
JOIN (SELECT i, sum(units) AS units, sum(units * price) AS total FROM crowd_line GROUP BY i) l USING (i)
ORDER BY b.i

-- == crm_orderline
INSERT INTO crm_orderline ("position", sku, title, category, units, price, order_id)
SELECT n, sku, sku, category, units, price, i FROM crowd_line ORDER BY i, n;
DROP TABLE crowd_order, crowd_line

-- == engagement_contactledger
INSERT INTO engagement_contactledger (origin, at, customer_id, home_customer_id, identity_id)
SELECT (ARRAY['reply', 'started', 'service'])[1 + h %% 3], date_trunc('day', now()) - (h / 8 %% 400) * interval '1 day',
    person, person, person
FROM (
    SELECT pg_temp.draw(i, 50) AS h,
        1 + (floor(%(customers)s * power(pg_temp.unit(i, 51), 1.5))::bigint * %(mixer)s) %% %(customers)s AS person
    FROM generate_series(1, %(customers)s::bigint) AS i
) AS drawn

-- == later
INSERT INTO engagement_interaction (external_id, staff_name, kind, direction, is_public, is_automatic,
    occurred_at, received_at, subject, text, in_reply_to, object_key, language, sentiment, reason, topics, reader,
    account_id, conversation_id, team_id, customer_id, home_customer_id, identity_id)
SELECT 'later-' || i || '-' || clock_timestamp(), '', 'message', 'inbound', false, false, at, at, '',
    'When will it come?', '', '', 'en', 0.1, 'question', '{delivery}', 1, (%(accounts)s::bigint[])[1], NULL,
    %(team)s, i, i, i
FROM (
    SELECT i, now() - interval '20 hours' + (pg_temp.draw(i, 60) %% 3600) * interval '1 second' AS at
    FROM generate_series(%(part)s, %(customers)s::bigint, %(part)s) AS i
) AS drawn;
INSERT INTO crm_order (source, external_id, number, status, placed_at, units, total, discount, refunded,
    currency, base_total, home_customer_id, customer_id, identity_id, created_at, updated_at)
SELECT 'shop', 'later-' || i || '-' || clock_timestamp(), '', 'paid', now() - interval '19 hours', 1, 25, 0, 0,
    'USD', 25, i, i, i, now(), now()
FROM generate_series(5 * %(part)s, %(customers)s::bigint, 5 * %(part)s) AS i;
INSERT INTO engagement_dirtyday (account_id, day, at)
SELECT DISTINCT (%(accounts)s::bigint[])[1], (now() - interval '20 hours' + n * interval '1 hour')::date, now()
FROM generate_series(0, 1) AS n ON CONFLICT DO NOTHING;
INSERT INTO crm_dirtyorderday (day, at) SELECT (now() - interval '19 hours')::date, now() ON CONFLICT DO NOTHING;
INSERT INTO crm_customertouch (customer_id, at)
SELECT i, now() FROM generate_series(%(part)s, %(customers)s::bigint, %(part)s) AS i
