-- Every trait of the catalogue for the customers in nightly_batch, one row a customer.
-- From nightly_said, nightly_written, nightly_bought, crm_orderline, crm_customer, crm_consent,
-- crm_identity and crm_customertag.
-- Sums of sentiment and money are exact (numeric), so that the order of rows never shows in a result.
-- Visits are counted by themselves, and show when somebody was here; habits are those of words and orders, which a
-- hundred page views would drown.
-- A window of d days holds the local days in (today - d, today]: days_ago from 0 to d - 1.
WITH visited AS (
    SELECT customer_id, count(*) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS visits_30
    FROM nightly_said WHERE kind = 'visit'
    GROUP BY customer_id
), said AS (
    SELECT customer_id,
        count(*) FILTER (WHERE days_ago BETWEEN 0 AND 29) AS inbound_30,
        count(*) FILTER (WHERE days_ago BETWEEN 0 AND 89) AS inbound_90,
        count(*) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS inbound_365,
        avg(sentiment) FILTER (WHERE days_ago BETWEEN 0 AND 89) AS sentiment_90,
        count(*) AS inbound_total,
        count(DISTINCT network) AS networks,
        mode() WITHIN GROUP (ORDER BY network COLLATE "C") AS top_network,
        count(*) FILTER (WHERE is_public) / count(*)::float8 AS public_share,
        count(*) FILTER (WHERE kind = 'call') / count(*)::float8 AS call_share,
        count(*) FILTER (WHERE kind = 'review') / count(*)::float8 AS review_share,
        count(*) FILTER (WHERE reason = 'question') / nullif(count(nullif(reason, '')), 0)::float8 AS question_share,
        count(*) FILTER (WHERE reason = 'complaint') / nullif(count(nullif(reason, '')), 0)::float8 AS complaint_share,
        count(*) FILTER (WHERE reason = 'praise') / nullif(count(nullif(reason, '')), 0)::float8 AS praise_share,
        count(*) FILTER (WHERE reason = 'order') / nullif(count(nullif(reason, '')), 0)::float8 AS order_talk_share,
        avg(sentiment) AS sentiment,
        avg(length) AS message_length
    FROM nightly_said
    WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
    GROUP BY customer_id
), written AS (
    SELECT customer_id, count(*) AS outbound_90
    FROM nightly_written
    WHERE kind IN ('message', 'comment', 'mention', 'review', 'call')
        AND days_ago BETWEEN 0 AND 89
    GROUP BY customer_id
), touch AS (
    SELECT customer_id, at, local_at, days_ago, kind = 'visit' AS is_visit FROM nightly_said
    WHERE kind IN ('message', 'comment', 'mention', 'review', 'call', 'visit')
    UNION ALL
    SELECT customer_id, at, local_at, days_ago, false FROM nightly_bought
), touched AS (
    SELECT customer_id,
        count(DISTINCT days_ago) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS active_days_365,
        min(at) AS first_seen_at,
        max(at) AS last_seen_at
    FROM touch GROUP BY customer_id
), timed AS (
    SELECT customer_id,
        count(*) FILTER (
            WHERE extract(isodow FROM local_at) <= 5 AND extract(hour FROM local_at) BETWEEN 9 AND 16
        ) / count(*)::float8 AS office_share,
        count(*) FILTER (WHERE extract(hour FROM local_at) >= 18) / count(*)::float8 AS evening_share,
        count(*) FILTER (WHERE extract(isodow FROM local_at) >= 6) / count(*)::float8 AS weekend_share,
        count(*) FILTER (WHERE extract(hour FROM local_at) < 12) / count(*)::float8 AS morning_share,
        count(*) FILTER (WHERE extract(day FROM local_at) >= 26 OR extract(day FROM local_at) <= 4)
            / count(*)::float8 AS payday_share,
        count(*) FILTER (WHERE extract(month FROM local_at) >= 11) / count(*)::float8 AS festive_share
    FROM touch WHERE NOT is_visit GROUP BY customer_id
), bought AS (
    SELECT customer_id,
        count(*) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS orders_365,
        sum(total - refunded) FILTER (WHERE days_ago BETWEEN 0 AND 364) AS revenue_365,
        min(at) AS first_order_at,
        max(at) AS last_order_at,
        count(*) AS orders_total,
        avg(total) AS average_order,
        avg(units) AS units_per_order,
        sum(total) / nullif(sum(units) FILTER (WHERE total IS NOT NULL), 0) AS unit_price,
        sum(discount) / nullif(sum(total + discount), 0) AS discount_share,
        count(*) FILTER (WHERE is_refunded) / count(*)::float8 AS refund_share,
        CASE WHEN count(*) > 1 THEN extract(epoch FROM max(at) - min(at)) / 86400 / (count(*) - 1) END
            AS order_gap_days
    FROM nightly_bought GROUP BY customer_id
), product AS (
    SELECT DISTINCT o.customer_id, o.at, o.order_id, coalesce(nullif(l.sku, ''), l.title) AS product
    FROM nightly_bought o JOIN crm_orderline l ON l.order_id = o.order_id
), known AS (
    SELECT customer_id, at, min(at) OVER (PARTITION BY customer_id, product) AS known_since FROM product
), repeated AS (
    SELECT k.customer_id, count(*) FILTER (WHERE k.known_since < k.at) / count(*)::float8 AS repeat_share
    FROM known k JOIN bought b USING (customer_id)
    WHERE k.at > b.first_order_at
    GROUP BY k.customer_id
), basket AS (
    SELECT customer_id, count(*) / count(DISTINCT order_id)::float8 AS products_per_order
    FROM product GROUP BY customer_id
), category AS (
    SELECT o.customer_id, count(DISTINCT l.category) AS categories
    FROM nightly_bought o JOIN crm_orderline l ON l.order_id = o.order_id
    WHERE l.category <> ''
    GROUP BY o.customer_id
), newest_consent AS (
    SELECT DISTINCT ON (c.customer_id, c.purpose) c.customer_id, c.given
    FROM nightly_batch b JOIN crm_consent c USING (customer_id)
    ORDER BY c.customer_id, c.purpose, c.at DESC, c.whole_person DESC, c.given, c.id DESC
), consent AS (
    SELECT customer_id, count(*) FILTER (WHERE given) AS consents FROM newest_consent GROUP BY customer_id
), handle AS (
    SELECT i.customer_id, count(*) AS identities
    FROM nightly_batch b JOIN crm_identity i USING (customer_id)
    GROUP BY i.customer_id
), tagged AS (
    SELECT x.customer_id, count(DISTINCT x.tag_id) AS tags
    FROM nightly_batch b JOIN crm_customertag x USING (customer_id)
    GROUP BY x.customer_id
)
SELECT
    c.id AS customer_id,
    coalesce(said.inbound_30, 0) AS inbound_30,
    coalesce(said.inbound_90, 0) AS inbound_90,
    coalesce(said.inbound_365, 0) AS inbound_365,
    coalesce(visited.visits_30, 0) AS visits_30,
    coalesce(written.outbound_90, 0) AS outbound_90,
    coalesce(touched.active_days_365, 0) AS active_days_365,
    coalesce(bought.orders_365, 0) AS orders_365,
    coalesce(bought.revenue_365, 0) AS revenue_365,
    said.sentiment_90,
    touched.first_seen_at,
    touched.last_seen_at,
    bought.first_order_at,
    bought.last_order_at,
    coalesce(said.inbound_total, 0) AS inbound_total,
    coalesce(said.networks, 0) AS networks,
    said.top_network,
    said.public_share,
    said.call_share,
    said.review_share,
    said.question_share,
    said.complaint_share,
    said.praise_share,
    said.order_talk_share,
    said.sentiment,
    said.message_length,
    timed.office_share,
    timed.evening_share,
    timed.weekend_share,
    timed.morning_share,
    timed.payday_share,
    timed.festive_share,
    coalesce(bought.orders_total, 0) AS orders_total,
    bought.average_order,
    bought.units_per_order,
    bought.unit_price,
    bought.discount_share,
    bought.refund_share,
    repeated.repeat_share,
    basket.products_per_order,
    coalesce(category.categories, 0) AS categories,
    bought.order_gap_days,
    c.birth_year,
    nullif(c.language, '') AS language,
    nullif(c.country, '') AS country,
    coalesce(consent.consents, 0) AS consents,
    coalesce(handle.identities, 0) AS identities,
    coalesce(tagged.tags, 0) AS tags
FROM nightly_batch b
JOIN crm_customer c ON c.id = b.customer_id AND c.merged_into_id IS NULL
LEFT JOIN visited ON visited.customer_id = c.id
LEFT JOIN said ON said.customer_id = c.id
LEFT JOIN written ON written.customer_id = c.id
LEFT JOIN touched ON touched.customer_id = c.id
LEFT JOIN timed ON timed.customer_id = c.id
LEFT JOIN bought ON bought.customer_id = c.id
LEFT JOIN repeated ON repeated.customer_id = c.id
LEFT JOIN basket ON basket.customer_id = c.id
LEFT JOIN category ON category.customer_id = c.id
LEFT JOIN consent ON consent.customer_id = c.id
LEFT JOIN handle ON handle.customer_id = c.id
LEFT JOIN tagged ON tagged.customer_id = c.id
