-- One identity, locked against a merge, and whose it is.
SELECT id, customer_id, home_customer_id FROM crm_identity WHERE id = %(id)s FOR SHARE
