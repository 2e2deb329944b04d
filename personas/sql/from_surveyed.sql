-- Survey answers of the batch. From nightly_said.
SELECT customer_id, at, interaction_id, rating FROM nightly_said WHERE kind = 'survey'
