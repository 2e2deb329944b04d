-- What we wrote in conversations of the customers in nightly_batch, into nightly_written.
-- Outbound interactions carry no customer: they are found through their conversation.
-- Reads engagement_conv_customer and engagement_int_thread.
INSERT INTO nightly_written (customer_id, local_at, days_ago, network, kind, is_public)
SELECT c.customer_id, i.occurred_at AT TIME ZONE %(zone)s,
    %(today)s::date - (i.occurred_at AT TIME ZONE %(zone)s)::date, a.network, i.kind, i.is_public
FROM nightly_batch b
JOIN engagement_conversation c ON c.customer_id = b.customer_id
JOIN engagement_interaction i ON i.conversation_id = c.id
JOIN engagement_channelaccount a ON a.id = i.account_id
WHERE c.customer_id BETWEEN %(first)s AND %(last)s
    AND i.direction = 'outbound' AND i.deleted_at IS NULL AND i.kind <> 'note'
