"""A service on FastAPI, its routes in a router with a prefix, with the endpoint mounted."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from leaky import cancel

import leakdiff.web

app = FastAPI()
rides = APIRouter(prefix="/rides")


@app.get("/health")
async def health() -> str:
    """Say that it is well."""
    return "ok"


@rides.post("/{ride}/cancel")
def cancelled(ride: int) -> str:
    """Cancel a ride; a plain function, which FastAPI runs in a thread."""
    cancel(str(ride))
    return "cancelled"


app.include_router(rides)
app.mount("/debug/leakdiff", leakdiff.web.asgi_app(cooldown=0))
application = leakdiff.web.count_requests(app)
