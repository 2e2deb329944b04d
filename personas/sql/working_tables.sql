-- Where one batch of customers is worked on; gone with its transaction. Texts are compared byte by byte: what is the
-- commonest must not depend on the language of the database, and words are sorted in a third of the time.
CREATE TEMPORARY TABLE nightly_batch (customer_id bigint PRIMARY KEY, zone text) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_said (
    customer_id bigint, interaction_id bigint, at timestamptz, local_at timestamp, own_at timestamp, days_ago integer,
    network text COLLATE "C", kind text COLLATE "C", is_public boolean, reason text COLLATE "C", sentiment numeric,
    length integer, topics varchar[], rating integer, media text COLLATE "C", is_automatic boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_written (
    customer_id bigint, other_id bigint, at timestamptz, local_at timestamp, days_ago integer, network text, kind text,
    is_public boolean, is_automatic boolean, next_direction text, next_at timestamptz
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_bought (
    order_id bigint, customer_id bigint, at timestamptz, local_at timestamp, own_at timestamp, has_hour boolean,
    days_ago integer, source text, units integer, total numeric, discount numeric, refunded numeric, is_refunded boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_traits (LIKE personas_traits) ON COMMIT DROP
