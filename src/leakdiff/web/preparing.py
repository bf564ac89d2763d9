"""What the endpoint will need, imported and used once before anybody asks it anything."""

from __future__ import annotations

import codecs
from contextlib import suppress

from leakdiff import live
from leakdiff.errors import MissingExtra, UnsupportedInterpreter
from leakdiff.model.profile import Profile
from leakdiff.render.pprof import profile_bytes
from leakdiff.web.html import page_of
from leakdiff.web.paths import ROUTES
from leakdiff.web.view import View


def prepare() -> None:
    """Import all that answers and measurements need, in the thread of the caller.

    Both are made in threads of their own, and a process that serves may fork at any moment: in a child that was forked
    while such a thread imported, whoever imports the same waits for ever. And what the imports take is there before
    memory is looked at, else it would look like growth.
    """
    for route in ROUTES:
        route.load()
    codecs.lookup("unicode_escape")  # for the audit log
    with suppress(MissingExtra):  # jinja2: pages are told as text then
        page_of(View(title="", said=""), "/", None)
    from leakdiff.render.pictures import picture, svg, treemap  # noqa: F401 - for the report as a page

    with suppress(MissingExtra):  # protobuf: profiles are refused then
        profile_bytes(Profile(taken=0.0, by="sites"))
    with suppress(UnsupportedInterpreter):  # which is told of where something is to be measured
        live.prepare()
