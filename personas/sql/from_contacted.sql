-- The contact ledger of the batch, by local days of the workspace. Reads engagement_contactledger by
-- engagement_ledger_customer.
SELECT l.customer_id, l.origin, %(today)s::date - (l.at AT TIME ZONE %(zone)s)::date AS days_ago
FROM nightly_batch b JOIN engagement_contactledger l USING (customer_id)
