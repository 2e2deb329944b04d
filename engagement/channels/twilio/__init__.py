"""Text messages and calls of one phone number, through Twilio."""
