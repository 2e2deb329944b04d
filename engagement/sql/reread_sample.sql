-- Lines that customers wrote, of ids drawn by chance. Reads engagement_interaction by id.
SELECT id, text, language, sentiment, reason, topics, reader, mood_by_staff, edited_at, team_id
FROM engagement_interaction
WHERE id = ANY(%(ids)s) AND direction = 'inbound' AND deleted_at IS NULL AND kind NOT IN ('visit', 'note')
    AND text <> ''
ORDER BY id
LIMIT %(limit)s
