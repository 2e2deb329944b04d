-- Customers whose traits may differ since the last rebuild, into personas_changedcustomer: those touched, those with
-- a day that crossed a window's edge or began since, those without a row, and rows whose customer is gone.
-- Reads personas_customerday by personas_customerday_day.
INSERT INTO personas_changedcustomer (customer_id, traits_changed)
SELECT customer_id, false FROM crm_customertouch
UNION
SELECT d.customer_id, false
FROM unnest(%(windows)s::int[]) AS w (days)
JOIN personas_customerday d ON d.day > %(since)s::date - w.days AND d.day <= %(today)s::date - w.days
UNION
SELECT c.id, false
FROM crm_customer c LEFT JOIN personas_traits t ON t.customer_id = c.id
WHERE c.merged_into_id IS NULL AND t.customer_id IS NULL
UNION
SELECT t.customer_id, false
FROM personas_traits t LEFT JOIN crm_customer c ON c.id = t.customer_id AND c.merged_into_id IS NULL
WHERE c.id IS NULL
ON CONFLICT (customer_id) DO NOTHING
