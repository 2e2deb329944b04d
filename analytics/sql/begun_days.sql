-- Days whose first responses are to be computed, into analytics_begun. An answer given days later changes the day of
-- the question, and a line that comes late may be an earlier first one: beside the given days they are those on which
-- conversations with a line in them began, or could have begun before that line was known.
-- Reads engagement_interaction by (account, occurred_at), day by day, and engagement_conversation by key.
INSERT INTO analytics_begun (account_id, day)
WITH dirty AS (
    SELECT account_id, day, day::timestamp AT TIME ZONE %(zone)s AS begins,
           (day + 1)::timestamp AT TIME ZONE %(zone)s AS ends
    FROM unnest(%(accounts)s::bigint[], %(days)s::date[]) AS d (account_id, day)
), spoken AS MATERIALIZED (
    SELECT DISTINCT i.conversation_id
    FROM dirty d
    CROSS JOIN LATERAL (
        SELECT i.conversation_id FROM engagement_interaction i
        WHERE i.account_id = d.account_id AND i.occurred_at >= d.begins AND i.occurred_at < d.ends
        OFFSET 0
    ) i
)
SELECT account_id, day FROM dirty
UNION
SELECT c.account_id, (w.first_at AT TIME ZONE %(zone)s)::date
FROM spoken s
JOIN engagement_conversation c ON c.id = s.conversation_id
CROSS JOIN LATERAL (
    SELECT c.first_inbound_at AS first_at
    UNION ALL
    SELECT h.occurred_at FROM engagement_interaction h WHERE h.conversation_id = c.id AND h.direction = 'inbound'
) w
WHERE w.first_at IS NOT NULL
