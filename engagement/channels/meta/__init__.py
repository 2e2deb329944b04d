"""What Facebook, Instagram and WhatsApp have in common: one Graph API, one signature, one list of errors."""
