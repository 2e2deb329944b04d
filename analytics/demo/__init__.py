"""The demo workspace: a fictional shop, its customers and a year of what they said and bought."""
