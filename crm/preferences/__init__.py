"""The page that a customer opens by a signed link, and the links in mails: no sign-in, no cookie."""
