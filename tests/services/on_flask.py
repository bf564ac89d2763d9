"""A service on Flask, with the endpoint beside it in werkzeug's dispatcher."""

from __future__ import annotations

from flask import Flask
from leaky import cancel
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import leakdiff.web

app = Flask(__name__)


@app.get("/health")
def health() -> str:
    """Say that it is well."""
    return "ok"


@app.post("/rides/<int:ride>/cancel")
def cancelled(ride: int) -> str:
    """Cancel a ride."""
    cancel(str(ride))
    return "cancelled"


application = leakdiff.web.count_requests(
    DispatcherMiddleware(app, {"/debug/leakdiff": leakdiff.web.wsgi_app(cooldown=0)}), kind="wsgi"
)
