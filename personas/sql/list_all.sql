-- Every customer, and every row of traits whose customer is gone, into personas_changedcustomer.
INSERT INTO personas_changedcustomer (customer_id, traits_changed)
SELECT id, false FROM crm_customer WHERE merged_into_id IS NULL
UNION
SELECT customer_id, false FROM personas_traits
UNION
SELECT customer_id, false FROM crm_customertouch
ON CONFLICT (customer_id) DO NOTHING
