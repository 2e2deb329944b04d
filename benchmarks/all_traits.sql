-- Every trait and every day of every customer by one statement over the whole tables, into by_hand_traits and
-- by_hand_days: what `benchmarks/nightly.py` holds the rebuild against, in time and in what it finds.
WITH everybody AS MATERIALIZED (
    SELECT c.id AS customer_id,
        CASE WHEN c.zone = ANY(%(zones)s::text[]) THEN c.zone ELSE coalesce(z.zone, %(zone)s) END AS zone
    FROM crm_customer c
    LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS z (country, zone) ON z.country = c.country
    WHERE c.merged_into_id IS NULL
), all_said (customer_id, interaction_id, at, local_at, own_at, days_ago, network, kind, is_public, reason, sentiment,
    length, topics, rating, media) AS MATERIALIZED (
    SELECT s.customer_id, s.id, s.occurred_at, s.occurred_at AT TIME ZONE %(zone)s, s.occurred_at AT TIME ZONE s.zone,
        %(today)s::date - (s.occurred_at AT TIME ZONE %(zone)s)::date, a.network, s.kind, s.is_public, s.reason,
        s.sentiment::numeric, s.length, s.topics, s.rating, coalesce(p.media, '')
    FROM (
        SELECT i.customer_id, b.zone, i.id, i.account_id, i.post_id, i.occurred_at, i.kind, i.is_public, i.reason,
            i.sentiment, i.topics, i.rating, length(i.text) AS length,
            CASE WHEN i.object_key = '' THEN 1 ELSE row_number() OVER (
                PARTITION BY i.customer_id, i.object_key, CASE WHEN i.object_key = '' THEN i.id END
                ORDER BY i.occurred_at, i.id
            ) END AS repetition
        FROM everybody b
        JOIN engagement_interaction i ON i.customer_id = b.customer_id
        WHERE i.direction = 'inbound' AND i.deleted_at IS NULL AND i.kind <> 'note'
    ) s
    JOIN engagement_channelaccount a ON a.id = s.account_id
    LEFT JOIN engagement_post p ON p.id = s.post_id
    WHERE s.repetition = 1
), all_written (customer_id, other_id, at, local_at, days_ago, network, kind, is_public, is_automatic,
    next_direction, next_at) AS MATERIALIZED (
    SELECT s.owner_id, CASE WHEN s.direction = 'inbound' THEN s.customer_id END, s.occurred_at,
        s.occurred_at AT TIME ZONE %(zone)s, %(today)s::date - (s.occurred_at AT TIME ZONE %(zone)s)::date, a.network,
        s.kind, s.is_public, s.is_automatic, s.next_direction, s.next_at
    FROM (
        SELECT c.customer_id AS owner_id, i.customer_id, i.account_id, i.direction, i.occurred_at, i.kind, i.is_public,
            i.is_automatic, lead(i.direction) OVER turn AS next_direction, lead(i.occurred_at) OVER turn AS next_at
        FROM everybody b
        JOIN engagement_conversation c ON c.customer_id = b.customer_id
        JOIN engagement_interaction i ON i.conversation_id = c.id
        WHERE i.direction IN ('inbound', 'outbound') AND i.deleted_at IS NULL AND i.kind <> 'note'
        WINDOW turn AS (PARTITION BY c.id, i.is_automatic, i.kind = 'survey' ORDER BY i.occurred_at, i.id)
    ) s
    JOIN engagement_channelaccount a ON a.id = s.account_id
    WHERE s.direction = 'outbound' OR (s.is_public AND s.customer_id <> s.owner_id)
), all_bought (order_id, customer_id, at, local_at, own_at, has_hour, days_ago, source, units, total, discount,
    refunded, is_refunded) AS MATERIALIZED (
    SELECT o.id, o.customer_id, o.placed_at, o.placed_at AT TIME ZONE %(zone)s,
        o.placed_at AT TIME ZONE CASE WHEN t.has_hour THEN b.zone ELSE %(zone)s END, t.has_hour,
        %(today)s::date - (o.placed_at AT TIME ZONE %(zone)s)::date, o.source, o.units, o.base_total,
        CASE WHEN o.total = 0 THEN o.discount + 0 * o.base_total ELSE o.discount * o.base_total / o.total END,
        CASE WHEN o.total = 0 THEN o.refunded + 0 * o.base_total ELSE o.refunded * o.base_total / o.total END,
        o.refunded > 0 OR o.status = 'refunded'
    FROM everybody b
    JOIN crm_order o ON o.customer_id = b.customer_id
    CROSS JOIN LATERAL (
        SELECT (o.placed_at AT TIME ZONE %(zone)s)::time <> '00:00' AND (o.placed_at AT TIME ZONE 'UTC')::time <> '00:00'
            AS has_hour
    ) t
    WHERE o.status IN ('paid', 'refunded')
), touched_days AS (
    SELECT customer_id, local_at::date AS day, network, kind, 'inbound' AS direction, is_public, sentiment,
        reason
    FROM all_said
    UNION ALL
    SELECT customer_id, local_at::date, network, kind, 'outbound', is_public, NULL, ''
    FROM all_written WHERE other_id IS NULL
    UNION ALL
    SELECT customer_id, local_at::date, left(source, 30), 'order', 'inbound', false, NULL, ''
    FROM all_bought
), days AS (
    INSERT INTO by_hand_days (customer_id, day, network, kind, direction, n, public_n, question_n, complaint_n, praise_n,
        positive_n, negative_n, sentiment_sum, sentiment_n)
    SELECT customer_id, day, network, kind, direction, count(*) AS n, count(*) FILTER (WHERE is_public) AS public_n,
        count(*) FILTER (WHERE reason = 'question') AS question_n,
        count(*) FILTER (WHERE reason = 'complaint') AS complaint_n,
        count(*) FILTER (WHERE reason = 'praise') AS praise_n,
        count(*) FILTER (WHERE sentiment >= 0.05) AS positive_n,
        count(*) FILTER (WHERE sentiment <= -0.05) AS negative_n,
        coalesce(sum(sentiment), 0)::float8 AS sentiment_sum, count(sentiment) AS sentiment_n
    FROM touched_days GROUP BY customer_id, day, network, kind, direction
), said AS (
SELECT customer_id,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS inbound_30,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89) AS inbound_90,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS inbound_365,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND is_public) AS public_90,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND NOT is_public) AS private_90,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND reason = 'question') AS questions_90,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND reason = 'complaint') AS complaints_90,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND reason = 'praise') AS praise_90,
    avg(sentiment) FILTER (WHERE days_ago BETWEEN 0 AND 89) AS sentiment_90,
    avg(sentiment) FILTER (WHERE days_ago BETWEEN 0 AND 89) - avg(sentiment) FILTER (WHERE days_ago BETWEEN 0 AND 179 AND NOT days_ago BETWEEN 0 AND 89) AS sentiment_trend,
    count(*) AS inbound_total,
    count(DISTINCT network) AS networks,
    mode() WITHIN GROUP (ORDER BY network COLLATE "C") AS top_network,
    mode() WITHIN GROUP (ORDER BY reason COLLATE "C") FILTER (WHERE reason NOT IN ('', 'other')) AS top_reason,
    mode() WITHIN GROUP (ORDER BY media COLLATE "C") FILTER (WHERE media <> '') AS top_media,
    count(*) FILTER (WHERE is_public) / count(*)::float8 AS public_share,
    count(*) FILTER (WHERE kind = 'call') / count(*)::float8 AS call_share,
    count(*) FILTER (WHERE kind = 'review') / count(*)::float8 AS review_share,
    count(*) FILTER (WHERE reason = 'question') / nullif(count(nullif(reason, '')), 0)::float8 AS question_share,
    count(*) FILTER (WHERE reason = 'complaint') / nullif(count(nullif(reason, '')), 0)::float8 AS complaint_share,
    count(*) FILTER (WHERE reason = 'praise') / nullif(count(nullif(reason, '')), 0)::float8 AS praise_share,
    count(*) FILTER (WHERE reason = 'order') / nullif(count(nullif(reason, '')), 0)::float8 AS order_talk_share,
    avg(sentiment) AS sentiment,
    avg(length) AS message_length,
    count(*) FILTER (WHERE is_public AND reason = 'praise') AS recommendations
FROM (
SELECT * FROM all_said WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
) AS said
GROUP BY customer_id
), topic AS (
SELECT customer_id,
    mode() WITHIN GROUP (ORDER BY topic COLLATE "C") AS top_topic,
    mode() WITHIN GROUP (ORDER BY topic COLLATE "C") FILTER (WHERE reason = 'complaint') AS top_complaint
FROM (
SELECT s.customer_id, s.reason, t.topic
FROM all_said s CROSS JOIN LATERAL unnest(s.topics) AS t (topic)
WHERE s.kind IN ('message', 'comment', 'mention', 'review', 'call') AND left(t.topic, 1) <> '#'
) AS topic
GROUP BY customer_id
), visited AS (
SELECT customer_id,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS visits_30
FROM (
SELECT customer_id, days_ago FROM all_said WHERE kind = 'visit'
) AS visited
GROUP BY customer_id
), surveyed AS (
SELECT customer_id,
    count(*) AS surveys_answered,
    avg(rating) AS survey_score,
    (array_agg(rating ORDER BY at DESC, interaction_id DESC) FILTER (WHERE rating IS NOT NULL))[1] AS last_survey_score
FROM (
SELECT customer_id, at, interaction_id, rating FROM all_said WHERE kind = 'survey'
) AS surveyed
GROUP BY customer_id
), written AS (
SELECT customer_id,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89) AS outbound_90
FROM (
SELECT customer_id, days_ago FROM all_written
WHERE other_id IS NULL AND kind IN ('message', 'comment', 'mention', 'review', 'call')
) AS written
GROUP BY customer_id
), answered AS (
SELECT customer_id,
    count(*) FILTER (WHERE answered_after <= interval '1 day') / count(*)::float8 AS response_rate,
    avg(extract(epoch FROM answered_after)) FILTER (WHERE answered_after <= interval '1 day') / 3600 AS response_hours
FROM (
SELECT customer_id, CASE WHEN next_direction = 'inbound' THEN next_at - at END AS answered_after
FROM all_written
WHERE other_id IS NULL AND NOT is_automatic AND kind <> 'survey' AND next_direction IS DISTINCT FROM 'outbound'
) AS answered
GROUP BY customer_id
), reached AS (
SELECT customer_id,
    count(DISTINCT other_id) AS reach
FROM (
SELECT customer_id, other_id FROM all_written WHERE other_id IS NOT NULL
) AS reached
GROUP BY customer_id
), contacted AS (
SELECT customer_id,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS contacted_30,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89 AND origin = 'started') AS started_90
FROM (
SELECT l.customer_id, l.origin, %(today)s::date - (l.at AT TIME ZONE %(zone)s)::date AS days_ago
FROM everybody b JOIN engagement_contactledger l USING (customer_id)
) AS contacted
GROUP BY customer_id
), touched AS (
SELECT customer_id,
    count(DISTINCT days_ago) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS active_days_365,
    min(at) AS first_seen_at,
    max(at) AS last_seen_at
FROM (
SELECT customer_id, at, days_ago FROM all_said
WHERE kind IN ('message', 'comment', 'mention', 'review', 'call', 'visit')
UNION ALL
SELECT customer_id, at, days_ago FROM all_bought
) AS touched
GROUP BY customer_id
), timed AS (
SELECT customer_id,
    mode() WITHIN GROUP (ORDER BY extract(hour FROM own_at)::int) FILTER (WHERE has_hour) AS usual_hour,
    mode() WITHIN GROUP (ORDER BY extract(isodow FROM own_at)::int) AS usual_weekday,
    count(*) FILTER (WHERE extract(isodow FROM own_at) <= 5 AND extract(hour FROM own_at) BETWEEN 9 AND 16) / count(*)::float8 AS office_share,
    count(*) FILTER (WHERE extract(hour FROM own_at) >= 18) / count(*)::float8 AS evening_share,
    count(*) FILTER (WHERE extract(isodow FROM own_at) >= 6) / count(*)::float8 AS weekend_share,
    count(*) FILTER (WHERE extract(hour FROM own_at) < 12) / count(*)::float8 AS morning_share,
    count(*) FILTER (WHERE extract(day FROM own_at) >= 26 OR extract(day FROM own_at) <= 4) / count(*)::float8 AS payday_share,
    count(*) FILTER (WHERE extract(month FROM own_at) >= 11) / count(*)::float8 AS festive_share
FROM (
SELECT customer_id, own_at, true AS has_hour FROM all_said
WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
UNION ALL
SELECT customer_id, own_at, has_hour FROM all_bought
) AS timed
GROUP BY customer_id
), bought AS (
SELECT customer_id,
    count(*) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS orders_365,
    sum(total - refunded) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS revenue_365,
    min(at) AS first_order_at,
    max(at) AS last_order_at,
    count(*) AS orders_total,
    sum(total - refunded) AS revenue_total,
    sum(refunded) AS refunded_total,
    avg(total) AS average_order,
    avg(units) AS units_per_order,
    sum(total) / nullif(sum(units) FILTER (WHERE total IS NOT NULL), 0) AS unit_price,
    sum(discount) / nullif(sum(total + discount), 0) AS discount_share,
    count(*) FILTER (WHERE is_refunded) / count(*)::float8 AS refund_share,
    CASE WHEN count(*) > 1 THEN extract(epoch FROM max(at) - min(at)) / 86400 / (count(*) - 1) END AS order_gap_days
FROM (
SELECT * FROM all_bought
) AS bought
GROUP BY customer_id
), product AS (
SELECT customer_id,
    count(*) FILTER (WHERE at > first_at AND known_since < at) / nullif(count(*) FILTER (WHERE at > first_at), 0)::float8 AS repeat_share,
    count(*) / count(DISTINCT order_id)::float8 AS products_per_order
FROM (
SELECT customer_id, order_id, at, first_at, min(at) OVER (PARTITION BY customer_id, product) AS known_since
FROM (
    SELECT DISTINCT o.customer_id, o.at, o.order_id, o.first_at, coalesce(nullif(l.sku, ''), l.title) AS product
    FROM (
        SELECT customer_id, order_id, at, min(at) OVER (PARTITION BY customer_id) AS first_at FROM all_bought
    ) o
    JOIN crm_orderline l ON l.order_id = o.order_id
) AS known
) AS product
GROUP BY customer_id
), category AS (
SELECT customer_id,
    count(DISTINCT category) AS categories,
    mode() WITHIN GROUP (ORDER BY category COLLATE "C") AS top_category
FROM (
SELECT o.customer_id, l.category
FROM all_bought o JOIN crm_orderline l ON l.order_id = o.order_id
WHERE l.category <> ''
) AS category
GROUP BY customer_id
), consent AS (
SELECT customer_id,
    count(*) FILTER (WHERE given) AS consents
FROM (
SELECT DISTINCT ON (c.customer_id, c.purpose) c.customer_id, c.given
FROM everybody b JOIN crm_consent c USING (customer_id)
ORDER BY c.customer_id, c.purpose, c.at DESC, c.whole_person DESC, c.given, c.id DESC
) AS consent
GROUP BY customer_id
), identity AS (
SELECT customer_id,
    count(*) AS identities
FROM (
SELECT i.customer_id FROM everybody b JOIN crm_identity i USING (customer_id)
) AS identity
GROUP BY customer_id
), tagged AS (
SELECT customer_id,
    count(DISTINCT tag_id) AS tags
FROM (
SELECT x.customer_id, x.tag_id FROM everybody b JOIN crm_customertag x USING (customer_id)
) AS tagged
GROUP BY customer_id
), referred AS (
SELECT customer_id,
    count(*) AS referred
FROM (
SELECT b.customer_id
FROM everybody b JOIN crm_customer r ON r.referred_by_id = b.customer_id
WHERE r.merged_into_id IS NULL AND r.id <> b.customer_id
) AS referred
GROUP BY customer_id
)
INSERT INTO by_hand_traits (
    customer_id, computed_at, inbound_30, inbound_90, inbound_365, public_90, private_90, questions_90,
    complaints_90, praise_90, visits_30, outbound_90, contacted_30, started_90, active_days_365, orders_365,
    revenue_365, sentiment_90, sentiment_trend, first_seen_at, last_seen_at, first_order_at, last_order_at,
    usual_hour, usual_weekday, office_share, evening_share, weekend_share, morning_share, payday_share,
    festive_share, inbound_total, networks, top_network, top_reason, top_topic, top_complaint, top_media,
    public_share, call_share, review_share, question_share, complaint_share, praise_share, order_talk_share,
    sentiment, message_length, response_rate, response_hours, surveys_answered, survey_score, last_survey_score,
    recommendations, referred, reach, orders_total, revenue_total, refunded_total, average_order,
    units_per_order, unit_price, discount_share, refund_share, repeat_share, products_per_order, categories,
    top_category, order_gap_days, stage, birth_year, age_band, language, country, city, profession, interests,
    consents, identities, tags
)
SELECT customer.customer_id, now(),
    coalesce(said.inbound_30, 0) AS inbound_30,
    coalesce(said.inbound_90, 0) AS inbound_90,
    coalesce(said.inbound_365, 0) AS inbound_365,
    coalesce(said.public_90, 0) AS public_90,
    coalesce(said.private_90, 0) AS private_90,
    coalesce(said.questions_90, 0) AS questions_90,
    coalesce(said.complaints_90, 0) AS complaints_90,
    coalesce(said.praise_90, 0) AS praise_90,
    coalesce(visited.visits_30, 0) AS visits_30,
    coalesce(written.outbound_90, 0) AS outbound_90,
    coalesce(contacted.contacted_30, 0) AS contacted_30,
    coalesce(contacted.started_90, 0) AS started_90,
    coalesce(touched.active_days_365, 0) AS active_days_365,
    coalesce(bought.orders_365, 0) AS orders_365,
    coalesce(bought.revenue_365, 0) AS revenue_365,
    said.sentiment_90 AS sentiment_90,
    said.sentiment_trend AS sentiment_trend,
    touched.first_seen_at AS first_seen_at,
    touched.last_seen_at AS last_seen_at,
    bought.first_order_at AS first_order_at,
    bought.last_order_at AS last_order_at,
    timed.usual_hour AS usual_hour,
    timed.usual_weekday AS usual_weekday,
    timed.office_share AS office_share,
    timed.evening_share AS evening_share,
    timed.weekend_share AS weekend_share,
    timed.morning_share AS morning_share,
    timed.payday_share AS payday_share,
    timed.festive_share AS festive_share,
    coalesce(said.inbound_total, 0) AS inbound_total,
    coalesce(said.networks, 0) AS networks,
    said.top_network AS top_network,
    said.top_reason AS top_reason,
    topic.top_topic AS top_topic,
    topic.top_complaint AS top_complaint,
    said.top_media AS top_media,
    said.public_share AS public_share,
    said.call_share AS call_share,
    said.review_share AS review_share,
    said.question_share AS question_share,
    said.complaint_share AS complaint_share,
    said.praise_share AS praise_share,
    said.order_talk_share AS order_talk_share,
    said.sentiment AS sentiment,
    said.message_length AS message_length,
    answered.response_rate AS response_rate,
    answered.response_hours AS response_hours,
    coalesce(surveyed.surveys_answered, 0) AS surveys_answered,
    surveyed.survey_score AS survey_score,
    surveyed.last_survey_score AS last_survey_score,
    coalesce(said.recommendations, 0) AS recommendations,
    coalesce(referred.referred, 0) AS referred,
    coalesce(reached.reach, 0) AS reach,
    coalesce(bought.orders_total, 0) AS orders_total,
    coalesce(bought.revenue_total, 0) AS revenue_total,
    coalesce(bought.refunded_total, 0) AS refunded_total,
    bought.average_order AS average_order,
    bought.units_per_order AS units_per_order,
    bought.unit_price AS unit_price,
    bought.discount_share AS discount_share,
    bought.refund_share AS refund_share,
    product.repeat_share AS repeat_share,
    product.products_per_order AS products_per_order,
    coalesce(category.categories, 0) AS categories,
    category.top_category AS top_category,
    bought.order_gap_days AS order_gap_days,
    stage AS stage,
    birth_year AS birth_year,
    (ARRAY['under 18', '18-24', '25-34', '35-44', '45-54', '55-64', '65 or older'])[width_bucket(age, ARRAY[0, 18, 25, 35, 45, 55, 65, 121])] AS age_band,
    nullif(language, '') AS language,
    nullif(country, '') AS country,
    nullif(city, '') AS city,
    nullif(profession, '') AS profession,
    nullif(left(array_to_string(interests, ', '), 400), '') AS interests,
    coalesce(consent.consents, 0) AS consents,
    coalesce(identity.identities, 0) AS identities,
    coalesce(tagged.tags, 0) AS tags
FROM (
SELECT c.id AS customer_id, c.stage, c.birth_year, c.language, c.country, c.city, c.profession, c.interests,
    extract(year FROM %(today)s::date)::int - c.birth_year AS age
FROM everybody b
JOIN crm_customer c ON c.id = b.customer_id AND c.merged_into_id IS NULL
) AS customer
LEFT JOIN said ON said.customer_id = customer.customer_id
LEFT JOIN topic ON topic.customer_id = customer.customer_id
LEFT JOIN visited ON visited.customer_id = customer.customer_id
LEFT JOIN surveyed ON surveyed.customer_id = customer.customer_id
LEFT JOIN written ON written.customer_id = customer.customer_id
LEFT JOIN answered ON answered.customer_id = customer.customer_id
LEFT JOIN reached ON reached.customer_id = customer.customer_id
LEFT JOIN contacted ON contacted.customer_id = customer.customer_id
LEFT JOIN touched ON touched.customer_id = customer.customer_id
LEFT JOIN timed ON timed.customer_id = customer.customer_id
LEFT JOIN bought ON bought.customer_id = customer.customer_id
LEFT JOIN product ON product.customer_id = customer.customer_id
LEFT JOIN category ON category.customer_id = customer.customer_id
LEFT JOIN consent ON consent.customer_id = customer.customer_id
LEFT JOIN identity ON identity.customer_id = customer.customer_id
LEFT JOIN tagged ON tagged.customer_id = customer.customer_id
LEFT JOIN referred ON referred.customer_id = customer.customer_id
