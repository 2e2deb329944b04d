-- Marks every day with an order, so that all revenue is computed again.
INSERT INTO crm_dirtyorderday (day, at)
SELECT DISTINCT (placed_at AT TIME ZONE %(zone)s)::date, statement_timestamp() FROM crm_order
ON CONFLICT (day) DO NOTHING
