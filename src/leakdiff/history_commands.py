"""The commands that work on what was kept: ``show``, ``diff``, ``trend`` and ``store``."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from leakdiff.errors import BadOption
from leakdiff.live import TABLES, diff, trend, trend_table
from leakdiff.model.report import ACCUSING, Verdict
from leakdiff.model.snapshot import Snapshot

CLEAN, LEAKS, TROUBLE = 0, 1, 2
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def add_history_commands(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line."""
    show = _command(commands, "show", _run_show, "show a snapshot that was saved to a file")
    show.add_argument("file", metavar="FILE")
    _add_json(show)
    compare = _command(commands, "diff", _run_diff, "show what changed between two snapshots")
    compare.add_argument("before", metavar="BEFORE")
    compare.add_argument("after", metavar="AFTER")
    compare.epilog = "Exit status: 0 nothing grew, 1 something grew, 2 trouble."
    _add_json(compare)
    _add_trend(commands)
    _add_store(commands)


def _add_trend(commands: Any) -> None:
    trends = _command(commands, "trend", _run_trend, "say whether a history of snapshots shows a leak")
    trends.add_argument("store", metavar="STORE", help="a file, or sqlite:///PATH")
    trends.add_argument("--since", metavar="72h", help="only the last part of the history: 90m, 72h, 30d")
    trends.add_argument(
        "--by", choices=TABLES, help="a table instead: how memory goes by version or by process, or owners"
    )
    trends.epilog = "Exit status: 0 no leak, 1 leak or native leak, 2 trouble or inconclusive."
    _add_json(trends)


def _add_store(commands: Any) -> None:
    store = commands.add_parser("store", help="look after a store of snapshots", allow_abbrev=False)
    actions = store.add_subparsers(required=True, metavar="ACTION")
    info = _command(actions, "info", _run_info, "say how much a store holds")
    info.add_argument("store", metavar="STORE")
    _add_json(info)
    prune = _command(actions, "prune", _run_prune, "delete what is old, and thin out the rest")
    prune.add_argument("store", metavar="STORE")
    prune.add_argument("--max-age", metavar="30d", help="delete snapshots that are older")
    prune.add_argument("--max-bytes", metavar="512M", help="delete the oldest until the store is no larger")
    prune.add_argument("--no-thin", action="store_true", help="keep all that is young enough")
    export = _command(actions, "export", _run_export, "write the snapshots of a store to files")
    export.add_argument("store", metavar="STORE")
    export.add_argument("folder", metavar="FOLDER", help="is made if it is not there")
    export.add_argument("--since", metavar="72h", help="only the last part of the history")
    export.add_argument("--deep", action="store_true", help="only snapshots of the whole heap")


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(run=run)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead")


# -- what they do ----------------------------------------------------------------------------------


def _run_show(parsed: argparse.Namespace) -> int:
    from leakdiff.render.snapshots import snapshot_plain, snapshot_text

    taken = Snapshot.load(parsed.file)
    _print(snapshot_plain(taken) if parsed.json else snapshot_text(taken))
    return CLEAN


def _run_diff(parsed: argparse.Namespace) -> int:
    from leakdiff.render.snapshots import diff_plain, diff_text

    found = diff(Snapshot.load(parsed.before), Snapshot.load(parsed.after))
    _print(diff_plain(found) if parsed.json else diff_text(found))
    return LEAKS if found.grew else CLEAN


def _run_trend(parsed: argparse.Namespace) -> int:
    from leakdiff.render.trends import table_plain, table_text, trend_plain, trend_text

    since = _seconds("since", parsed.since) if parsed.since is not None else None
    if parsed.by is not None:
        rows = trend_table(parsed.store, parsed.by, since=since)
        _print(table_plain(rows) if parsed.json else table_text(rows, parsed.by))
        return CLEAN
    found = trend(parsed.store, since=since)
    _print(trend_plain(found) if parsed.json else trend_text(found))
    if found.verdict in ACCUSING:
        return LEAKS
    return TROUBLE if found.verdict is Verdict.INCONCLUSIVE else CLEAN


def _run_info(parsed: argparse.Namespace) -> int:
    from leakdiff.render.stores import info_plain, info_text
    from leakdiff.store.sqlite import open_store

    store = open_store(parsed.store, must_exist=True)
    info = store.info()
    store.close()
    _print(info_plain(info) if parsed.json else info_text(info))
    return CLEAN


def _run_prune(parsed: argparse.Namespace) -> int:
    from leakdiff.store.sqlite import open_store

    age = _seconds("max-age", parsed.max_age) if parsed.max_age is not None else None
    room = _bytes("max-bytes", parsed.max_bytes) if parsed.max_bytes is not None else None
    store = open_store(parsed.store, must_exist=True)
    deleted = store.prune(max_age=age, max_bytes=room, thin=not parsed.no_thin)
    store.close()
    print(f"leakdiff: deleted {deleted:,} snapshot{'' if deleted == 1 else 's'}")
    return CLEAN


def _run_export(parsed: argparse.Namespace) -> int:
    import time

    from leakdiff.store.files import make_folder
    from leakdiff.store.sqlite import open_store

    since = time.time() - _seconds("since", parsed.since) if parsed.since is not None else None
    store = open_store(parsed.store, must_exist=True)
    folder = make_folder(Path(parsed.folder))
    headers = store.headers(since, deep=True if parsed.deep else None)
    for header in headers:
        store.get(header.id).save(folder / f"snapshot-{header.id:06d}.json.gz")
    store.close()
    print(f"leakdiff: wrote {len(headers):,} snapshot{'' if len(headers) == 1 else 's'} to {folder}")
    return CLEAN


def _print(shown: str | dict[str, Any]) -> None:
    text = shown if isinstance(shown, str) else json.dumps(shown, indent=2, sort_keys=True)
    sys.stdout.write(f"{text}\n")


def _seconds(name: str, text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if found is None or float(found[1]) <= 0:
        raise BadOption(name, text, "a number with a unit: 90m, 72h, 30d")
    return float(found[1]) * _SECONDS[found[2]]


def _bytes(name: str, text: str) -> int:
    found = re.fullmatch(r"(\d+)([kKmMgG]?)(?:i?B)?", text)
    if found is None:
        raise BadOption(name, text, "a number of bytes: 512M, 2G")
    return int(found[1]) * _BYTES[found[2].lower()]
