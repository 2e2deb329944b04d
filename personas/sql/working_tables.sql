-- Where one batch of customers is worked on; gone with its transaction.
CREATE TEMPORARY TABLE nightly_batch (customer_id bigint PRIMARY KEY) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_said (
    customer_id bigint, at timestamptz, local_at timestamp, days_ago integer, network text, kind text,
    is_public boolean, reason text, sentiment numeric, length integer
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_written (
    customer_id bigint, local_at timestamp, days_ago integer, network text, kind text, is_public boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_bought (
    order_id bigint, customer_id bigint, at timestamptz, local_at timestamp, days_ago integer, source text,
    units integer, total numeric, discount numeric, refunded numeric, is_refunded boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE nightly_traits (LIKE personas_traits) ON COMMIT DROP
