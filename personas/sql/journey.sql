-- The whole journey of the customers in %(customers)s: one row a move, computed from what happened. The rules stand
-- in docs/journey.md. An organization's journey is made of what happened with it and with its people.
-- Ranks: 1 awareness, 2 consideration, 3 purchase, 4 retention, 5 advocacy. A stage is kept until something greater
-- happens; after 365 local days without anything, a buyer is back at purchase and everybody else at awareness.
-- Reads engagement_interaction by engagement_int_customer, crm_order by crm_order_customer, engagement_visitcontent
-- and crm_affiliation by key, crm_customer by referred_by.
WITH who AS (
    SELECT unnest(%(customers)s::bigint[]) AS customer_id, unnest(%(customers)s::bigint[]) AS person_id
    UNION
    SELECT a.organization_id, a.person_id FROM crm_affiliation a
    WHERE a.organization_id = ANY(%(customers)s::bigint[])
), bought AS MATERIALIZED (
    SELECT w.customer_id, o.id, o.placed_at AS at, (o.placed_at AT TIME ZONE %(zone)s)::date AS day
    FROM who w JOIN crm_order o ON o.customer_id = w.person_id
    WHERE o.status IN ('paid', 'refunded')
), first AS MATERIALIZED (
    SELECT customer_id, min(at) AS at, min(day) AS day FROM bought GROUP BY customer_id
), said AS (
    SELECT w.customer_id, i.id, i.occurred_at AS at, i.kind, i.is_public, i.reason, i.rating, v.intent,
        count(*) FILTER (WHERE v.intent = 'product')
            OVER (PARTITION BY w.customer_id ORDER BY i.occurred_at, i.id) AS products
    FROM who w
    JOIN engagement_interaction i ON i.customer_id = w.person_id
    LEFT JOIN engagement_visitcontent v ON v.interaction_id = i.id AND i.kind = 'visit'
    WHERE i.direction = 'inbound' AND i.deleted_at IS NULL AND i.kind <> 'note' AND NOT i.is_automatic
), happened AS (
    SELECT b.customer_id, b.at, CASE WHEN b.day = f.day THEN 'first_order' ELSE 'order_again' END AS why,
        'order' AS cause, b.id AS cause_id
    FROM bought b JOIN first f USING (customer_id)
    UNION ALL
    SELECT s.customer_id, s.at,
        CASE
            WHEN s.at >= f.at AND s.kind = 'review' AND s.rating >= 4 THEN 'good_review'
            WHEN s.at >= f.at AND s.is_public AND s.reason = 'praise' THEN 'praise'
            WHEN s.intent = 'cart' THEN 'cart'
            WHEN s.intent = 'product' AND s.products >= 2 THEN 'products'
            WHEN s.reason = 'question' THEN 'question'
            WHEN NOT s.is_public AND s.kind IN ('message', 'call') THEN 'private'
            ELSE s.kind
        END,
        'interaction', s.id
    FROM said s LEFT JOIN first f USING (customer_id)
    UNION ALL
    SELECT w.customer_id, r.created_at, 'referral', 'customer', r.id
    FROM who w
    JOIN crm_customer r ON r.referred_by_id = w.person_id AND r.merged_into_id IS DISTINCT FROM w.person_id
    JOIN first f ON f.customer_id = w.customer_id AND r.created_at >= f.at
), ranked AS (
    SELECT h.*, (h.at AT TIME ZONE %(zone)s)::date AS day,
        CASE
            WHEN why IN ('good_review', 'praise', 'referral') THEN 5
            WHEN why = 'order_again' THEN 4
            WHEN why = 'first_order' THEN 3
            WHEN why IN ('cart', 'products', 'question', 'private') THEN 2
            ELSE 1
        END AS rank
    FROM happened h
), placed AS (
    SELECT *, row_number() OVER journey AS place, lag(day) OVER journey AS day_before
    FROM ranked WINDOW journey AS (PARTITION BY customer_id ORDER BY at, rank, cause, cause_id)
), spans AS (
    -- what lies between two silences; day_before is NULL for the first row, which opens span 0
    SELECT *, count(*) FILTER (WHERE day >= day_before + 365) OVER (PARTITION BY customer_id ORDER BY place) AS span
    FROM placed
), floors AS (
    SELECT s.*,
        CASE WHEN span = 0 THEN 0 WHEN f.at < min(s.at) OVER (PARTITION BY customer_id, span) THEN 3 ELSE 1 END AS floor,
        f.at AS first_at
    FROM spans s LEFT JOIN first f USING (customer_id)
), risen AS (
    SELECT *, greatest(floor, max(rank) OVER (PARTITION BY customer_id, span ORDER BY place)) AS reached
    FROM floors
), stepped AS (
    SELECT *, coalesce(lag(reached) OVER inside, floor) AS left_rank,
        lead(place) OVER inside IS NULL AS is_last,
        CASE WHEN first_at <= at THEN 3 ELSE 1 END AS rest
    FROM risen WINDOW inside AS (PARTITION BY customer_id, span ORDER BY place)
), moved AS (
    SELECT customer_id, place::numeric AS place, at, reached AS rank, why, cause, cause_id
    FROM stepped WHERE reached > left_rank
    UNION ALL
    SELECT customer_id, place + 0.5, (day + 365)::timestamp AT TIME ZONE %(zone)s, rest, 'silence', cause, cause_id
    FROM stepped WHERE is_last AND reached > rest AND day + 365 <= %(today)s::date
), named AS (
    SELECT *, (ARRAY['awareness', 'consideration', 'purchase', 'retention', 'advocacy'])[rank] AS after FROM moved
)
SELECT customer_id, place, at, coalesce(lag(after) OVER (PARTITION BY customer_id ORDER BY place), '') AS before,
    after, why, cause, cause_id
FROM named
