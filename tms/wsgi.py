"""WSGI entry point (gunicorn tms.wsgi)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tms.settings")
application = get_wsgi_application()
