"""Snapshots as plain dicts and as files: what is saved is loaded, and nothing else is."""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
import sqlite3
import threading
import types
import typing
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.errors import CannotRead, CannotWrite
from leakdiff.model.heap import Bound, Site
from leakdiff.model.snapshot import Heap, Identity, Moment, OwnerSize, SiteCount, Snapshot, TypeCount
from leakdiff.store import codec
from leakdiff.store.codec import LARGEST, Malformed, decoded, encoded, from_plain, to_plain
from leakdiff.store.files import load, make_folder, save, write_whole
from strategies import texts

ATOMS: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(-LARGEST, LARGEST),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    types.NoneType: st.none(),
    Moment: st.builds(Moment, st.floats(0, 2**36), st.floats(0, 1e9)),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for whatever an annotation of the model allows."""
    if hint in ATOMS:
        return ATOMS[hint]
    if isinstance(hint, types.UnionType):
        return st.one_of([values_of(choice) for choice in typing.get_args(hint)])
    if typing.get_origin(hint) is tuple:
        return st.lists(values_of(typing.get_args(hint)[0]), max_size=3).map(tuple)
    hints = typing.get_type_hints(hint)
    return st.builds(hint, **{name: values_of(hints[name]) for name in attrs.fields_dict(hint)})


SNAPSHOTS = values_of(Snapshot)

SMALL = Snapshot(
    taken=Moment(1_700_000_000.25, 12.5),
    identity=Identity(service="matching", host="pod-1", pid=7),
    label="before",
    heap=Heap(
        types=(TypeCount("dict", 3, 552), TypeCount("app.Result", 1, 48)),
        owners=(OwnerSize(path="app._seen", kind="module", type="dict", entries=3, bytes=700, bound=Bound("x", 9, 3)),),
        sites=(SiteCount(Site("app.py", 41, "find"), 3, 144),),
    ),
    left_out=("sockets of other users",),
)


def refusal(path: Path) -> str:
    """Return what ``load`` says of a file, without its name."""
    with pytest.raises(CannotRead) as caught:
        load(path)
    return str(caught.value).removeprefix(f"{path} cannot be read: ")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the small snapshot made plain, with a change."""
    plain = copy.deepcopy(to_plain(SMALL))
    change(plain)
    return plain


# -- plain -----------------------------------------------------------------------------------------


@given(SNAPSHOTS)
def test_a_snapshot_comes_back_from_json_as_it_was(snapshot: Snapshot) -> None:
    """Any text, number and table survives, also names that no terminal can show."""
    assert decoded(encoded(snapshot)) == snapshot


@given(SNAPSHOTS)
def test_plain_is_what_json_can_hold(snapshot: Snapshot) -> None:
    """Dicts, lists, texts and finite numbers only: JSON changes nothing."""
    plain = to_plain(snapshot)

    assert json.loads(encoded(snapshot).decode("utf-8", "surrogatepass")) == plain
    assert from_plain(plain) == snapshot


def test_the_document_names_its_format_and_keeps_tables_compact() -> None:
    """A table says the names of its fields once."""
    plain = to_plain(SMALL)

    assert plain["format"] == 1
    assert plain["snapshot"]["taken"] == {"utc": 1_700_000_000.25, "monotonic": 12.5}
    assert plain["snapshot"]["heap"]["types"] == {
        "fields": ["name", "count", "bytes"],
        "rows": [["dict", 3, 552], ["app.Result", 1, 48]],
    }


def test_a_table_of_thousands_of_rows_is_written_in_pieces_that_join() -> None:
    """So that other threads can run between the pieces."""
    many = tuple(TypeCount(f"app.Type{number}", number, 16) for number in range(1_501))
    snapshot = attrs.evolve(SMALL, heap=Heap(types=many))

    assert decoded(encoded(snapshot)) == snapshot


def test_what_a_later_release_adds_to_the_format_is_left_out() -> None:
    """Unknown fields, and unknown columns of tables, wherever they stand."""

    def add(plain: dict[str, Any]) -> None:
        plain["tool"] = plain["snapshot"]["mood"] = plain["snapshot"]["taken"]["zone"] = "later"
        table = plain["snapshot"]["heap"]["types"]
        table["fields"].insert(1, "colour")
        for row in table["rows"]:
            row.insert(1, ["red"])

    assert from_plain(changed(add)) == SMALL


def test_what_an_earlier_release_did_not_know_has_its_default() -> None:
    """Fields and columns that have a default may be missing."""

    def remove(plain: dict[str, Any]) -> None:
        del plain["snapshot"]["left_out"]
        table = plain["snapshot"]["heap"]["owners"]
        position = table["fields"].index("containers")
        del table["fields"][position]
        for row in table["rows"]:
            del row[position]

    assert from_plain(changed(remove)) == attrs.evolve(SMALL, left_out=())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda plain: plain["snapshot"].pop("taken"), "snapshot has no taken"),
        (lambda plain: plain["snapshot"].update(taken=3), "snapshot.taken should be an object and is a whole number"),
        (lambda plain: plain["snapshot"].update(label=3), "snapshot.label should be a text and is a whole number"),
        (
            lambda plain: plain["snapshot"]["memory"].update(rss=True),
            "snapshot.memory.rss should be a whole number and is true or false",
        ),
        (lambda plain: plain["snapshot"]["memory"].update(rss=10**30), "snapshot.memory.rss is too large a number"),
        (
            lambda plain: plain["snapshot"]["memory"].update(rss=None),
            "snapshot.memory.rss should be a whole number and is null",
        ),
        (
            lambda plain: plain["snapshot"]["taken"].update(monotonic=float("nan")),
            "snapshot.taken.monotonic is not finite",
        ),
        (lambda plain: plain["snapshot"]["taken"].update(utc=1e300), "snapshot.taken.utc is no time"),
        (lambda plain: plain["snapshot"].update(left_out="all"), "snapshot.left_out should be a list and is a text"),
        (
            lambda plain: plain["snapshot"].update(left_out=[1]),
            "snapshot.left_out[0] should be a text and is a whole number",
        ),
        (
            lambda plain: plain["snapshot"]["heap"].update(types=[]),
            "snapshot.heap.types should be a table with fields and rows and is a list",
        ),
        (
            lambda plain: plain["snapshot"]["heap"]["types"]["rows"][1].pop(),
            "row 1 of snapshot.heap.types has 2 cells for 3 fields",
        ),
        (
            lambda plain: plain["snapshot"]["heap"]["types"]["fields"].__setitem__(1, "number"),
            "snapshot.heap.types has no count",
        ),
        (lambda plain: plain.pop("snapshot"), "it is something else of leakdiff, and no snapshot"),
        (lambda plain: plain.pop("format"), "it is no leakdiff snapshot"),
        (lambda plain: plain.update(format=7), "it was written by a newer leakdiff (format 7; this one reads up to 1)"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    """Missing fields, wrong types and numbers that nobody could draw are named with where they stand."""
    with pytest.raises(Malformed) as caught:
        from_plain(changed(change))

    assert str(caught.value) == sentence


def test_numbers_that_are_not_finite_are_never_written() -> None:
    """JSON has no NaN, and no reader would know what to do with one."""
    broken = attrs.evolve(SMALL, taken=Moment(1.0, float("inf")))

    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded(broken)


def test_a_limit_beyond_64_bits_is_written_as_the_largest_number() -> None:
    """A cache with ``maxsize=10**30`` is no reason to lose a snapshot."""
    owner = OwnerSize(
        path="app.cache", kind="module", type="dict", entries=3, bytes=9, bound=Bound("maxsize", 10**30, 3)
    )
    heap = decoded(encoded(attrs.evolve(SMALL, heap=Heap(owners=(owner,))))).heap

    assert heap is not None
    assert heap.owners is not None
    assert heap.owners[0].bound == Bound("maxsize", 2**63 - 1, 3)


# -- files -----------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Through the methods of the snapshot itself, by text or by path."""
    SMALL.save(str(tmp_path / "before"))

    assert Snapshot.load(tmp_path / "before") == SMALL


def test_the_same_snapshot_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time and no name of a file is in it."""
    save(SMALL, tmp_path / "one")
    save(SMALL, tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_json_that_is_not_compressed_is_loaded_too(tmp_path: Path) -> None:
    """Someone looked at it with ``zcat`` and kept that; indented or not."""
    (tmp_path / "plain.json").write_text("\n " + json.dumps(to_plain(SMALL), indent=2), encoding="utf-8")

    assert load(tmp_path / "plain.json") == SMALL


def test_a_snapshot_can_come_through_a_pipe(tmp_path: Path) -> None:
    """``leakdiff show <(ssh host cat before)`` names a pipe."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=save, args=(SMALL, tmp_path / "pipe"))
    writer.start()
    received = load(tmp_path / "pipe")
    writer.join()

    assert received == SMALL


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    """What was private stays private, and a link goes on pointing to the file."""
    (tmp_path / "real").touch(mode=0o600)
    (tmp_path / "link").symlink_to("real")
    save(SMALL, tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o600
    assert load(tmp_path / "real") == SMALL


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither half a file nor a temporary one; a folder that was there is untouched."""
    (tmp_path / "taken").mkdir()
    for name in ("no/such/folder", "taken", "na\0me"):
        with pytest.raises(CannotWrite, match="Nothing was left behind"):
            save(SMALL, tmp_path / name)

    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]


def test_an_interrupted_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the new content is on the disk changes nothing."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "kept").write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "kept", b"new")

    assert (tmp_path / "kept").read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_folder_is_made_or_refused(tmp_path: Path) -> None:
    """With those above it; one that is there will do, and a file will not."""
    (tmp_path / "file").touch()

    assert make_folder(tmp_path / "new" / "folder").is_dir()
    assert make_folder(tmp_path) == tmp_path
    with pytest.raises(CannotWrite, match="File exists"):
        make_folder(tmp_path / "file")


# -- refusals --------------------------------------------------------------------------------------


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A name that is not there, one below a file, a folder, and a name that no file can have."""
    (tmp_path / "file").touch()

    assert refusal(tmp_path / "none") == "there is no such file. Check the name and the folder."
    assert refusal(tmp_path / "file" / "none") == "there is no such file. Check the name and the folder."
    assert refusal(tmp_path) == "it is a folder. Name a file that Snapshot.save wrote."
    assert refusal(tmp_path / "na\0me").startswith("its name holds a NUL.")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    """Whatever they hold, also compressed; a store is recognised."""
    foreign = {
        "empty": (b"", "it is empty"),
        "text": (b"a,b\n1,2\n", "it is no leakdiff snapshot"),
        "pickle": (b"\x80\x05\x95", "it is no leakdiff snapshot"),
        "json": (b'{"results": []}', "it is no leakdiff snapshot"),
        "deep": (b'{"a":' + b"[" * 100_000, "it is truncated or damaged JSON"),
        "zipped": (gzip.compress(b"a,b\n1,2\n"), "it is no leakdiff snapshot"),
        "report": (b'{"format": 1, "leakdiff": "0.1.0", "verdict": "LEAK"}', "it is something else of leakdiff"),
    }
    with closing(sqlite3.connect(tmp_path / "store")) as connection:
        connection.execute("CREATE TABLE anything (x)")
    for name, (content, sentence) in foreign.items():
        (tmp_path / name).write_bytes(content)

        assert refusal(tmp_path / name).startswith(sentence), name
    assert refusal(tmp_path / "store").startswith("it is an SQLite database.")


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    """The sentence says both formats, whatever else is in the file."""
    (tmp_path / "newer").write_bytes(gzip.compress(b'{"format": 7, "leakdiff": "9.0", "everything": "else"}'))

    assert refusal(tmp_path / "newer") == (
        "it was written by a newer leakdiff (format 7; this one reads up to 1). Upgrade leakdiff."
    )


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    """Compressed or not, no prefix of a file is taken for a whole one."""
    save(SMALL, tmp_path / "whole")
    packed = (tmp_path / "whole").read_bytes()
    for content in (packed, encoded(SMALL)):
        for end in (*range(40), *range(40, len(content), 7), len(content) - 1):
            (tmp_path / "cut").write_bytes(content[:end])

            assert refusal(tmp_path / "cut")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A flipped bit in the compressed part never gives another snapshot."""
    save(SMALL, tmp_path / "whole")
    packed = (tmp_path / "whole").read_bytes()
    dice = random.Random(3)  # noqa: S311
    for _ in range(300):
        position, bit = dice.randrange(10, len(packed)), dice.randrange(8)
        damaged = bytearray(packed)
        damaged[position] ^= 1 << bit
        (tmp_path / "damaged").write_bytes(damaged)

        assert refusal(tmp_path / "damaged")


def test_what_unpacks_to_more_than_any_snapshot_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that would fill the memory is not unpacked to its end."""
    monkeypatch.setattr(codec, "MOST_BYTES", 2**20)
    (tmp_path / "bomb").write_bytes(gzip.compress(b"{" + b" " * 2**24))

    assert refusal(tmp_path / "bomb").startswith("it holds more than 1 MiB, as no snapshot does.")


def test_a_caller_can_catch_what_a_caller_expects(tmp_path: Path) -> None:
    """A file that cannot be read is an OSError, and content that cannot be parsed a ValueError."""
    with pytest.raises(OSError, match="no such file"):
        load(tmp_path / "none")
    with pytest.raises(ValueError, match="no such file"):
        load(tmp_path / "none")
