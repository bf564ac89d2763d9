"""``leakdiff render``: a saved report in another form, from and to files or pipes."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import attrs
import pytest

from leakdiff.cli import main
from leakdiff.reports import FORMATS, rendered
from paper import REPORT


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a report in a file."""
    path = tmp_path / "report.json"
    REPORT.save(path)
    return path


def test_a_report_is_text_unless_it_is_said(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the terminal showed when it was made; the status says that it could be read, and not what it says."""
    assert main(["render", str(saved)]) == 0

    assert capfd.readouterr() == (f"{REPORT.text()}\n", "")


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_goes_to_standard_output(saved: Path, capfdbinary: pytest.CaptureFixture[bytes], to: str) -> None:
    """As UTF-8, with a line that ends."""
    assert main(["render", str(saved), "--to", to]) == 0

    assert capfdbinary.readouterr().out.decode() == rendered(REPORT, to).rstrip("\n") + "\n"


def test_the_ending_of_the_output_names_the_format(saved: Path, tmp_path: Path) -> None:
    """Unless ``--to`` does."""
    assert main(["render", str(saved), "--output", str(tmp_path / "incident.html")]) == 0
    assert main(["render", str(saved), "--to", "md", "--output", str(tmp_path / "summary.txt")]) == 0

    assert (tmp_path / "incident.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "summary.txt").read_text("utf-8").startswith("## leakdiff: LEAK")


def test_a_report_is_read_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """As in ``leakdiff check work.py --json - | leakdiff render - --to md``."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(REPORT.json().encode())))

    assert main(["render", "-", "--to", "md"]) == 0
    assert capfd.readouterr().out == REPORT.markdown()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.json"], "nowhere.json cannot be read: there is no such file. Check the name and the folder."),
        (
            ["REPORT", "--output", "incident.pdf"],
            "output='incident.pdf' cannot work: output must be a file whose ending",
        ),
        (["REPORT", "--output", "nowhere/incident.html"], "nowhere/incident.html could not be written: No such file"),
    ],
)
def test_trouble_is_one_sentence(
    saved: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """On standard error, with the status 2."""
    assert main(["render", *(str(saved) if each == "REPORT" else each for each in arguments)]) == 2

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"leakdiff: {said}")
    assert err.endswith("]\n")


@pytest.mark.parametrize("alias", ["report.json", "folder/../report.json", "link.json"])
def test_the_report_is_not_written_over(
    saved: Path, tmp_path: Path, alias: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """By whatever name: it is the only form that can be read again."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.json").symlink_to(saved)
    before = saved.read_bytes()
    status = main(["render", str(saved), "--to", "md", "--output", str(tmp_path / alias)])

    assert (status, saved.read_bytes()) == (2, before)
    assert capfd.readouterr().err.endswith(
        f"/{alias}' cannot work: output must be another file than the report, which would be lost. [bad-option]\n"
    )


def test_nothing_to_draw_is_trouble(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And said so."""
    attrs.evolve(REPORT, findings=()).save(tmp_path / "clean.json")

    assert main(["render", str(tmp_path / "clean.json"), "--to", "svg"]) == 2
    assert "A picture of the report cannot be drawn: it has no finding." in capfd.readouterr().err


def test_help_shows_the_formats_and_examples(capfd: pytest.CaptureFixture[str]) -> None:
    """What one copies; the formats are those that there are."""
    main(["render", "--help"])
    said = " ".join(capfd.readouterr().out.split())

    assert f"--to FORMAT {', '.join(FORMATS)} (default:" in said
    assert "leakdiff render report.json --to md >> summary.md" in said
