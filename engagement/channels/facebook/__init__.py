"""A Facebook Page: comments under its posts and messages to it by Messenger."""
