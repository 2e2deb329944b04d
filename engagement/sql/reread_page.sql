-- The next lines that customers wrote, in order of id, with what stands beside each. Reads engagement_interaction by id.
SELECT id, text, language, sentiment, reason, topics, reader, mood_by_staff, edited_at
FROM engagement_interaction
WHERE id > %(after)s AND id <= %(until)s AND direction = 'inbound' AND deleted_at IS NULL
    AND kind NOT IN ('visit', 'note') AND text <> ''
ORDER BY id
LIMIT %(limit)s
