"""The event stream, and nothing else: pages and API are WSGI."""

import os

import django

from config.naming import name_connections

name_connections("live")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from engagement.live import application  # noqa: E402

__all__ = ["application"]
