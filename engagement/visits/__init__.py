"""Visits to websites and apps, of people who agreed to that: how they are read, kept and forgotten."""
