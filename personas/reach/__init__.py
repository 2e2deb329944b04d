"""Where and when to reach whom: plans, advertising and what it brought, lookalikes, personalization."""
