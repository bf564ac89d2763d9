"""The commands that work on what was kept: ``show``, ``diff``, ``trend`` and ``store``."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from leakdiff.command_parser import add_command
from leakdiff.console import CLEAN, LEAKS, emit, status_of, tell
from leakdiff.errors import BadOption

_TABLES = ("version", "instance", "path")
_MOST_QUOTED = 200
_DONE = "0 done, 2 trouble"


def add_history_commands(commands: Any) -> None:
    """Add the parsers of these commands to those of the command line."""
    _add_show(commands)
    _add_diff(commands)
    _add_trend(commands)
    _add_store(commands)


def _add_show(commands: Any) -> None:
    show = add_command(
        commands,
        "show",
        _run_show,
        "show a snapshot that was saved to a file",
        description="Show a snapshot that was saved to a file: memory, owners, types, lines and resources.",
        examples=(
            ("leakdiff show before.json", "Show a snapshot that leakdiff.snapshot().save('before.json') wrote."),
            ("leakdiff show before.json --json", "Print it as JSON."),
        ),
        exits=_DONE,
        page="how-to/live",
    )
    show.add_argument("file", metavar="FILE")
    _add_json(show)


def _add_diff(commands: Any) -> None:
    compare = add_command(
        commands,
        "diff",
        _run_diff,
        "show what changed between two snapshots",
        description="Show what changed between two snapshots: of one process at two times, or of two of its kind.",
        examples=(
            ("leakdiff diff before.json after.json", "Show what grew, the owners first."),
            ("leakdiff diff before.json after.json --quiet", "Say in one line whether an owner grew."),
            ("leakdiff diff before.json after.json --json", "Print everything as JSON."),
        ),
        exits="0 nothing grew, 1 something grew, 2 trouble",
        page="how-to/live",
    )
    compare.add_argument("before", metavar="BEFORE")
    compare.add_argument("after", metavar="AFTER")
    _add_json(compare)


def _add_trend(commands: Any) -> None:
    trends = add_command(
        commands,
        "trend",
        _run_trend,
        "say whether a history of snapshots shows a leak",
        description="Say whether the history that a monitor kept shows a leak: since when, how fast, and under which "
        "version.",
        examples=(
            ("leakdiff trend leaks.db", "Judge the whole history."),
            ("leakdiff trend leaks.db --since 72h", "Judge the last three days."),
            ("leakdiff trend leaks.db --by version", "Show how memory goes under each version: which deploy was it?"),
        ),
        exits="0 no leak, 1 leak or native leak, 2 trouble or inconclusive; with --by 0, or 2 for trouble",
        page="how-to/grows",
    )
    trends.add_argument("store", metavar="STORE", help="a file, or sqlite:///PATH")
    trends.add_argument("--since", metavar="72h", help="only the last part of the history: 90m, 72h, 30d")
    trends.add_argument(
        "--by", choices=_TABLES, help="a table instead: how memory goes by version or by process, or owners"
    )
    _add_json(trends)


def _add_store(commands: Any) -> None:
    store = commands.add_parser(
        "store",
        help="look after a store of snapshots",
        summary="look after a store of snapshots",
        description="Look after a store of snapshots, which a monitor fills.",
        examples=(
            ("leakdiff store info leaks.db", "Say how much it holds."),
            ("leakdiff store prune leaks.db --max-age 30d", "Delete what is older, and thin out the rest."),
        ),
        exits=_DONE,
        page="how-to/live",
    )
    actions = store.add_subparsers(required=True, metavar="ACTION", prog="leakdiff store", parser_class=type(store))
    _add_info(actions)
    _add_prune(actions)
    _add_export(actions)


def _add_info(actions: Any) -> None:
    info = add_command(
        actions,
        "info",
        _run_info,
        "say how much a store holds",
        examples=(
            ("leakdiff store info leaks.db", "Count snapshots and processes, and say from when to when."),
            ("leakdiff store info leaks.db --json", "Print that as JSON."),
        ),
        exits=_DONE,
        page="how-to/live",
    )
    info.add_argument("store", metavar="STORE")
    _add_json(info)


def _add_prune(actions: Any) -> None:
    prune = add_command(
        actions,
        "prune",
        _run_prune,
        "delete what is old, and thin out the rest",
        examples=(
            ("leakdiff store prune leaks.db --max-age 30d", "Delete what is older, and thin out the rest."),
            ("leakdiff store prune leaks.db --max-bytes 512M --no-thin", "Keep all that fits."),
        ),
        exits=_DONE,
        page="how-to/live",
    )
    prune.add_argument("store", metavar="STORE")
    prune.add_argument("--max-age", metavar="30d", help="delete snapshots that are older")
    prune.add_argument("--max-bytes", metavar="512M", help="delete the oldest until the store is no larger")
    prune.add_argument("--no-thin", action="store_true", help="keep all that is young enough")


def _add_export(actions: Any) -> None:
    export = add_command(
        actions,
        "export",
        _run_export,
        "write the snapshots of a store to files",
        examples=(
            ("leakdiff store export leaks.db snapshots", "Write each to a file of its own, for show and diff."),
            ("leakdiff store export leaks.db snapshots --since 72h --deep", "Only the latest of the whole heap."),
        ),
        exits=_DONE,
        page="how-to/live",
    )
    export.add_argument("store", metavar="STORE")
    export.add_argument("folder", metavar="FOLDER", help="is made if it is not there")
    export.add_argument("--since", metavar="72h", help="only the last part of the history")
    export.add_argument("--deep", action="store_true", help="only snapshots of the whole heap")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead")


# -- what they do ----------------------------------------------------------------------------------


def _run_show(parsed: argparse.Namespace) -> int:
    from leakdiff.model.snapshot import Snapshot
    from leakdiff.render.progress import waiting_for
    from leakdiff.render.snapshots import snapshot_plain, snapshot_text

    with waiting_for(f"reading {parsed.file}"):
        taken = Snapshot.load(parsed.file)
    _print(snapshot_plain(taken) if parsed.json else snapshot_text(taken))
    return CLEAN


def _run_diff(parsed: argparse.Namespace) -> int:
    from leakdiff.live import diff
    from leakdiff.model.snapshot import Snapshot
    from leakdiff.render.progress import waiting_for
    from leakdiff.render.snapshots import diff_plain, diff_text

    with waiting_for(f"comparing {parsed.before} and {parsed.after}"):
        found = diff(Snapshot.load(parsed.before), Snapshot.load(parsed.after))
    _print(diff_plain(found) if parsed.json else diff_text(found))
    return LEAKS if found.grew else CLEAN


def _run_trend(parsed: argparse.Namespace) -> int:
    from leakdiff.live import trend
    from leakdiff.render.progress import waiting_for
    from leakdiff.render.trends import trend_plain, trend_text

    since = _seconds("since", parsed.since) if parsed.since is not None else None
    if parsed.by is not None:
        return _print_table(parsed, since)
    with waiting_for(f"reading the history in {parsed.store}"):
        found = trend(parsed.store, since=since)
    _print(trend_plain(found) if parsed.json else trend_text(found))
    return status_of(found.verdict)


def _print_table(parsed: argparse.Namespace, since: float | None) -> int:
    from leakdiff.live import trend_table
    from leakdiff.render.progress import waiting_for
    from leakdiff.render.trends import table_plain, table_text

    with waiting_for(f"reading the history in {parsed.store}"):
        rows = trend_table(parsed.store, parsed.by, since=since)
    if parsed.json:
        _print(table_plain(rows))
    else:
        tell(table_text(rows, parsed.by))
    return CLEAN


def _run_info(parsed: argparse.Namespace) -> int:
    from leakdiff.render.progress import waiting_for
    from leakdiff.render.stores import info_plain, info_text
    from leakdiff.store.sqlite import open_store

    with (
        waiting_for(f"counting what is in {parsed.store}"),
        closing(open_store(parsed.store, must_exist=True)) as store,
    ):
        info = store.info()
    _print(info_plain(info) if parsed.json else info_text(info))
    return CLEAN


def _run_prune(parsed: argparse.Namespace) -> int:
    from leakdiff.render.plain import counted
    from leakdiff.render.progress import waiting_for
    from leakdiff.store.sqlite import open_store

    age = _seconds("max-age", parsed.max_age) if parsed.max_age is not None else None
    room = _bytes("max-bytes", parsed.max_bytes) if parsed.max_bytes is not None else None
    with (
        waiting_for(f"deleting what is old in {parsed.store}"),
        closing(open_store(parsed.store, must_exist=True)) as store,
    ):
        deleted = store.prune(max_age=age, max_bytes=room, thin=not parsed.no_thin)
    tell(f"leakdiff: deleted {counted(deleted, 'snapshot')}")
    return CLEAN


def _run_export(parsed: argparse.Namespace) -> int:
    import time

    from leakdiff.render.plain import counted
    from leakdiff.render.progress import Progress
    from leakdiff.store.files import make_folder
    from leakdiff.store.sqlite import open_store

    since = time.time() - _seconds("since", parsed.since) if parsed.since is not None else None
    with closing(open_store(parsed.store, must_exist=True)) as store, closing(Progress()) as progress:
        folder = make_folder(Path(parsed.folder))
        headers = store.headers(since, deep=True if parsed.deep else None)
        for number, header in enumerate(headers, start=1):
            progress(f"writing snapshot {number:,} of {len(headers):,}")
            store.get(header.id).save(folder / f"snapshot-{header.id:06d}.json.gz")
    tell(f"leakdiff: wrote {counted(len(headers), 'snapshot')} to {folder}")
    return CLEAN


def _print(shown: str | dict[str, Any]) -> None:
    if isinstance(shown, str):
        tell(shown, headline=shown.partition("\n")[0])
    else:
        emit(f"{json.dumps(shown, indent=2, sort_keys=True)}\n")


def _seconds(name: str, text: str) -> float:
    from leakdiff.soaking.plan import seconds_of

    found = seconds_of(text)
    if not isinstance(found, float) or found <= 0 or not text[-1:].isalpha():  # 72 alone could be hours or seconds
        raise BadOption(name, text, "a number with a unit: 90m, 72h, 30d", shown=_cut(text))
    return found


def _bytes(name: str, text: str) -> int:
    from leakdiff.soaking.plan import bytes_of

    found = bytes_of(text)
    if not isinstance(found, int):
        raise BadOption(name, text, "a number of bytes: 512M, 2G", shown=_cut(text))
    return found


def _cut(text: str) -> str:
    from leakdiff.render.trimmed import shortened

    return repr(shortened(text, _MOST_QUOTED))
