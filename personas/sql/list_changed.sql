-- Customers whose traits may differ since the last rebuild, into personas_changedcustomer: those touched and whoever
-- shares a conversation with them or brought them; those with a day, or a row of the contact ledger, that crossed a
-- window's edge or began since; those who are a year older, when the year changed; those without a row, and rows whose
-- customer is gone.
-- Reads personas_customerday by personas_customerday_day, engagement_contactledger by engagement_ledger_at,
-- engagement_interaction by engagement_int_customer and engagement_int_thread, crm_customer by key.
WITH touched AS MATERIALIZED (
    SELECT DISTINCT customer_id FROM crm_customertouch
), owned AS (
    SELECT c.id FROM touched t JOIN engagement_conversation c USING (customer_id)
)
INSERT INTO personas_changedcustomer (customer_id, traits_changed)
SELECT customer_id, false FROM touched
UNION
SELECT c.customer_id, false
FROM touched t
JOIN engagement_interaction i ON i.customer_id = t.customer_id
JOIN engagement_conversation c ON c.id = i.conversation_id
WHERE c.customer_id <> t.customer_id
UNION
SELECT i.customer_id, false
FROM owned o JOIN engagement_interaction i ON i.conversation_id = o.id
WHERE i.customer_id IS NOT NULL
UNION
SELECT c.referred_by_id, false
FROM touched t JOIN crm_customer c ON c.id = t.customer_id
WHERE c.referred_by_id IS NOT NULL
UNION
SELECT d.customer_id, false
FROM unnest(%(windows)s::int[]) AS w (days)
JOIN personas_customerday d ON d.day > %(since)s::date - w.days AND d.day <= %(today)s::date - w.days
UNION
SELECT l.customer_id, false
FROM unnest(%(windows)s::int[]) AS w (days)
JOIN engagement_contactledger l
    ON l.at >= (%(since)s::date - w.days + 1)::timestamp AT TIME ZONE %(zone)s
    AND l.at < (%(today)s::date - w.days + 1)::timestamp AT TIME ZONE %(zone)s
UNION
SELECT id, false
FROM crm_customer
WHERE merged_into_id IS NULL AND birth_year IS NOT NULL
    AND extract(year FROM %(since)s::date) <> extract(year FROM %(today)s::date)
UNION
SELECT c.id, false
FROM crm_customer c LEFT JOIN personas_traits t ON t.customer_id = c.id
WHERE c.merged_into_id IS NULL AND t.customer_id IS NULL
UNION
SELECT t.customer_id, false
FROM personas_traits t LEFT JOIN crm_customer c ON c.id = t.customer_id AND c.merged_into_id IS NULL
WHERE c.id IS NULL
ON CONFLICT (customer_id) DO NOTHING
