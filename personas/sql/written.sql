-- What was said in conversations of the customers in nightly_batch, into nightly_written: every message of ours with
-- what came next, and public lines of other customers (other_id), by which it is known whom somebody got talking.
-- Outbound interactions carry no customer: they are found through their conversation.
-- What goes out or comes in by itself (is_automatic), and what belongs to a survey, follows upon its like alone.
-- Reads engagement_conv_customer and engagement_int_thread.
INSERT INTO nightly_written (
    customer_id, other_id, at, local_at, days_ago, network, kind, is_public, is_automatic, next_direction, next_at
)
SELECT s.owner_id, CASE WHEN s.direction = 'inbound' THEN s.customer_id END, s.occurred_at,
    s.occurred_at AT TIME ZONE %(zone)s, %(today)s::date - (s.occurred_at AT TIME ZONE %(zone)s)::date, a.network,
    s.kind, s.is_public, s.is_automatic, s.next_direction, s.next_at
FROM (
    SELECT c.customer_id AS owner_id, i.customer_id, i.account_id, i.direction, i.occurred_at, i.kind, i.is_public,
        i.is_automatic, lead(i.direction) OVER turn AS next_direction, lead(i.occurred_at) OVER turn AS next_at
    FROM nightly_batch b
    JOIN engagement_conversation c ON c.customer_id = b.customer_id
    JOIN engagement_interaction i ON i.conversation_id = c.id
    WHERE c.customer_id BETWEEN %(first)s AND %(last)s
        AND i.direction IN ('inbound', 'outbound') AND i.deleted_at IS NULL AND i.kind <> 'note'
    WINDOW turn AS (PARTITION BY c.id, i.is_automatic, i.kind = 'survey' ORDER BY i.occurred_at, i.id)
) s
JOIN engagement_channelaccount a ON a.id = s.account_id
WHERE s.direction = 'outbound' OR (s.is_public AND s.customer_id <> s.owner_id)
