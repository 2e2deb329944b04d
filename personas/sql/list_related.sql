-- Whose journey follows from somebody else's record, onto the list of a rebuild: the organizations of changed people,
-- those who referred a changed customer, and those whose referral has been the last sign of life for a year.
-- Reads crm_affiliation by person and crm_customer by key and by referred_by.
INSERT INTO personas_changedcustomer (customer_id, traits_changed)
SELECT a.organization_id, false FROM crm_affiliation a JOIN personas_changedcustomer p ON p.customer_id = a.person_id
UNION
SELECT c.referred_by_id, false
FROM crm_customer c JOIN personas_changedcustomer p ON p.customer_id = c.id
WHERE c.referred_by_id IS NOT NULL
UNION
SELECT c.referred_by_id, false
FROM crm_customer c
WHERE c.referred_by_id IS NOT NULL
    AND (c.created_at AT TIME ZONE %(zone)s)::date > %(since)s::date - 365
    AND (c.created_at AT TIME ZONE %(zone)s)::date <= %(today)s::date - 365
ON CONFLICT (customer_id) DO NOTHING
