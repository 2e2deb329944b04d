-- Everything a conversation shows about its interactions, read again from them, so that pages may arrive in any
-- order: owner, times, what is waiting, the last line. Touched are the conversations of the new interactions, and
-- those that hold an answer to one of them (its author may be their owner).
-- Reads engagement_interaction by (conversation, occurred_at, id) and (account, in_reply_to).
WITH new AS (
    SELECT id, account_id, conversation_id, external_id, direction, is_automatic, occurred_at
    FROM engagement_interaction WHERE id = ANY(%(ids)s)
), touched AS (
    SELECT conversation_id AS id FROM new WHERE conversation_id IS NOT NULL
    UNION
    SELECT answer.conversation_id
    FROM new JOIN engagement_interaction answer
        ON answer.account_id = new.account_id AND answer.in_reply_to = new.external_id AND answer.in_reply_to <> ''
    WHERE new.direction = 'inbound' AND answer.conversation_id IS NOT NULL
), counted AS (
    SELECT conversation_id AS id, count(*) AS n,
           max(occurred_at) FILTER (WHERE direction = 'inbound' AND NOT is_automatic) AS newest_inbound
    FROM new GROUP BY conversation_id
), locked AS (
    SELECT c.id, c.status FROM engagement_conversation c JOIN touched USING (id) ORDER BY c.id FOR NO KEY UPDATE OF c
), state AS (
    SELECT c.id, l.status AS status_before, edge.first_at, edge.last_at, edge.last_inbound_at, edge.last_out, last.text AS last_text,
           last.direction AS last_direction, heard.sentiment AS mood, opening.occurred_at AS first_inbound_at,
           coalesce(answered.identity_id, opening.identity_id) AS identity_id,
           coalesce(answered.customer_id, opening.customer_id) AS customer_id,
           coalesce(answered.home_customer_id, opening.home_customer_id) AS home_customer_id
    FROM locked l
    JOIN engagement_conversation c USING (id)
    CROSS JOIN LATERAL (
        SELECT min(occurred_at) AS first_at, max(occurred_at) AS last_at,
               max(occurred_at) FILTER (WHERE direction = 'inbound') AS last_inbound_at,
               max(occurred_at) FILTER (WHERE direction = 'outbound' AND NOT is_automatic AND
                   -- what did not get through answers nobody
                   (SELECT d.state FROM engagement_delivery d WHERE d.interaction_id = i.id ORDER BY d.id DESC LIMIT 1)
                   IS DISTINCT FROM 'failed') AS last_out
        FROM engagement_interaction i WHERE conversation_id = c.id AND direction <> 'internal'
    ) edge
    LEFT JOIN LATERAL (
        SELECT left(coalesce(nullif(text, ''), subject), 200) AS text, direction
        FROM engagement_interaction
        WHERE conversation_id = c.id AND direction <> 'internal'
        ORDER BY occurred_at DESC, external_id DESC LIMIT 1
    ) last ON true
    LEFT JOIN LATERAL (
        SELECT sentiment FROM engagement_interaction
        WHERE conversation_id = c.id AND direction = 'inbound'
        ORDER BY occurred_at DESC, external_id DESC LIMIT 1
    ) heard ON true
    LEFT JOIN LATERAL (
        SELECT occurred_at, identity_id, customer_id, home_customer_id
        FROM engagement_interaction
        WHERE conversation_id = c.id AND direction = 'inbound'
        ORDER BY occurred_at, external_id LIMIT 1
    ) opening ON true
    LEFT JOIN LATERAL (
        -- the conversation begins with an answer to a line that is filed elsewhere: its author owns this one too.
        -- In private only our own answers count: a stranger who answers somebody's mail gets no owner by it.
        SELECT line.identity_id, line.customer_id, line.home_customer_id
        FROM (
            SELECT account_id, direction, is_public, in_reply_to
            FROM engagement_interaction
            WHERE conversation_id = c.id AND direction <> 'internal'
            ORDER BY occurred_at, external_id LIMIT 1
        ) begin
        JOIN engagement_interaction line ON line.account_id = begin.account_id AND line.external_id = begin.in_reply_to
        WHERE (begin.direction = 'outbound' OR begin.is_public) AND begin.in_reply_to <> '' AND line.direction = 'inbound'
          AND line.conversation_id IS DISTINCT FROM c.id
    ) answered ON true
), waiting AS (
    SELECT s.id,
           (SELECT min(occurred_at) FROM engagement_interaction
            WHERE conversation_id = s.id AND direction = 'inbound' AND NOT is_automatic
              AND occurred_at > coalesce(s.last_out, '-infinity')) AS since,
           (SELECT min(occurred_at) FROM engagement_interaction i
            WHERE conversation_id = s.id AND direction = 'outbound' AND NOT is_automatic
              AND occurred_at >= s.first_inbound_at
              AND (SELECT d.state FROM engagement_delivery d WHERE d.interaction_id = i.id ORDER BY d.id DESC LIMIT 1)
                  IS DISTINCT FROM 'failed') AS answered_at
    FROM state s
)
UPDATE engagement_conversation c
SET first_at = coalesce(s.first_at, c.first_at),
    last_at = coalesce(s.last_at, c.last_at),
    last_text = coalesce(s.last_text, ''),
    last_direction = coalesce(s.last_direction, ''),
    mood = s.mood,
    count = c.count + coalesce(counted.n, 0),
    identity_id = coalesce(s.identity_id, c.identity_id),
    customer_id = coalesce(s.customer_id, c.customer_id),
    home_customer_id = coalesce(s.home_customer_id, c.home_customer_id),
    first_inbound_at = s.first_inbound_at,
    last_inbound_at = s.last_inbound_at,
    waiting_since = w.since,
    first_answered_at = w.answered_at,
    due_at = w.since + make_interval(mins => a.reply_goal_minutes),
    reply_until = s.last_inbound_at
        + CASE WHEN c.is_public THEN %(public_window)s::interval ELSE %(window)s::interval END,
    status = CASE
        WHEN %(history_before)s::timestamptz IS NOT NULL AND c.count = 0 AND s.last_at < %(history_before)s THEN 'resolved'
        WHEN c.status <> 'open' AND counted.newest_inbound > coalesce(c.last_inbound_at, '-infinity')
             AND %(history_before)s::timestamptz IS NULL THEN 'open'
        ELSE c.status
    END,
    snoozed_until = CASE
        WHEN c.status = 'snoozed' AND counted.newest_inbound > coalesce(c.last_inbound_at, '-infinity')
             AND %(history_before)s::timestamptz IS NULL THEN NULL
        ELSE c.snoozed_until
    END
FROM state s
JOIN waiting w USING (id)
LEFT JOIN counted USING (id), engagement_channelaccount a
WHERE c.id = s.id AND a.id = c.account_id
RETURNING c.id, c.team_id, c.assignee_id, c.customer_id, c.is_public, coalesce(counted.n, 0) AS n,
          c.status = 'open' AND s.status_before <> 'open' AS reopened,
          c.identity_id, old.identity_id IS DISTINCT FROM new.identity_id AS has_new_owner
