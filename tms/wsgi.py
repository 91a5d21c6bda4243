"""WSGI entry point (gunicorn tms.wsgi)."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tms.settings")
settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise looks there
application = get_wsgi_application()
