-- How a sample of what customers wrote was read: by language and reader, how many have a mood and how many of those a
-- person told. %(percent)s of the table's blocks; 100 is everything.
SELECT language, reader, count(*) AS n, count(sentiment) AS moods, count(*) FILTER (WHERE mood_by_staff) AS by_staff
FROM engagement_interaction TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (1)
WHERE direction = 'inbound' AND deleted_at IS NULL AND kind NOT IN ('visit', 'note') AND text <> ''
GROUP BY language, reader
ORDER BY n DESC, language, reader
