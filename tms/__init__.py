"""TMS: a smart-meter transaction management system."""

from tms.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
