-- Where one batch of customers is worked on; gone with its transaction.
CREATE TEMPORARY TABLE nightly_batch (customer_id bigint PRIMARY KEY, zone text) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_said (
    customer_id bigint, interaction_id bigint, at timestamptz, local_at timestamp, own_at timestamp, days_ago integer,
    network text, kind text, is_public boolean, reason text, sentiment numeric, length integer, topics varchar[],
    rating integer, media text
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
