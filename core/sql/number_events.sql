-- Gives the next numbers of the change feed to the oldest events that have none, in the order of their ids.
-- Only what is committed can be seen here, so an event whose transaction ends late is numbered late and no
-- reader passes it by. Called under an advisory lock. Needs the index core_event_unnumbered.
UPDATE core_event
SET number = numbered.number
FROM (
    SELECT id, nextval('core_event_feed') AS number
    FROM (SELECT id FROM core_event WHERE number IS NULL ORDER BY id LIMIT %(most)s) AS oldest
) AS numbered
WHERE core_event.id = numbered.id
