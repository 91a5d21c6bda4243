"""Where everything answers. The admin comes last: it answers every address that is left."""

from django.contrib import admin
from django.urls import path

from tms import health
from tms.api import api

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("", admin.site.urls),
]
