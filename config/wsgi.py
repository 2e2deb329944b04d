"""Pages and API."""

import os

from django.core.wsgi import get_wsgi_application

from config.naming import name_connections

name_connections("web")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
