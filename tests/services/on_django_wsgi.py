"""The service on Django, under WSGI, with the endpoint in front of it."""

from __future__ import annotations

import django_service  # noqa: F401 - it configures Django
from django.core.wsgi import get_wsgi_application

import leakdiff.web

application = leakdiff.web.count_requests(
    leakdiff.web.dispatch(get_wsgi_application(), "/debug/leakdiff", cooldown=0), kind="wsgi"
)
