-- Which of these external ids the account already holds.
-- Reads engagement_interaction by its unique key (account, external_id).
SELECT external_id, id
FROM engagement_interaction
WHERE account_id = %(account)s AND external_id = ANY(%(external_ids)s)
