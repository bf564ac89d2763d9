"""A service on Django: its settings, views and URLs in one file."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from leaky import cancel

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DEBUG=False,
    MIDDLEWARE=["leakdiff.web.django_routes"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use",  # noqa: S106
    USE_TZ=True,
)
django.setup(set_prefix=False)


def health(_: HttpRequest) -> HttpResponse:
    """Say that it is well."""
    return HttpResponse("ok")


def cancelled(_: HttpRequest, ride: str) -> HttpResponse:
    """Cancel a ride."""
    cancel(ride)
    return HttpResponse("cancelled")


urlpatterns: list[Any] = [
    path("health", health),
    re_path(r"^rides/(?P<ride>[0-9]+)/cancel$", cancelled),
]
