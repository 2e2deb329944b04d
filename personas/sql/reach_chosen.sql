-- Whose habits are read: the audience, which is put in where members stand, or a fixed sample of more than %(most)s.
CREATE TEMPORARY TABLE reach_chosen ON COMMIT DROP AS
SELECT customer_id FROM (/*members*/) AS m (customer_id) ORDER BY hashint8extended(customer_id, 7) LIMIT %(most)s
