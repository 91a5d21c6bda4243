"""Where everything answers. The admin comes last: it answers every address that is left."""

from django.contrib import admin
from django.urls import path

from tms import health, metrics
from tms.api import api

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("", admin.site.urls),
]
