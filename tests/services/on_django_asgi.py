"""The service on Django, under ASGI, with the endpoint in front of it."""

from __future__ import annotations

import django_service  # noqa: F401 - it configures Django
from django.core.asgi import get_asgi_application

import leakdiff.web

application = leakdiff.web.dispatch(leakdiff.web.count_requests(get_asgi_application()), "/debug/leakdiff", cooldown=0)
