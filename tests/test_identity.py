"""Who and when: what was given, what the environment says, what is installed; each process its own."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import pytest

from fresh import run_fresh
from leakdiff.__about__ import __version__
from leakdiff.capture import identity
from leakdiff.capture.identity import now, read_identity
from leakdiff.errors import BadOption


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test in an environment that names no service, in a program that belongs to none."""
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.setattr(identity, "_main_distribution", lambda: ("", ""))


def test_the_process_is_named_by_host_and_number() -> None:
    """Host, pid and the versions of what measures are those of this process."""
    found = read_identity()

    assert (found.host, found.pid) == (platform.node(), os.getpid())
    assert (found.python, found.leakdiff) == (platform.python_version(), __version__)
    assert (found.service, found.version, found.revision) == ("", "", "")


def test_the_start_lies_before_now_and_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set later does not make another instance of this one."""
    import psutil

    first = read_identity()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 1.0)

    assert 0 < first.started <= time.time()
    assert read_identity().instance == first.instance


def test_a_moment_is_read_from_two_clocks() -> None:
    """The later of two moments is later by the clock that never jumps."""
    first, second = now(), now()

    assert abs(first.utc - time.time()) < 3_600
    assert first.monotonic <= second.monotonic


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments win over the environment, also empty ones."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from environment")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1,vcs.ref.head.revision=abc")
    found = read_identity(service="shop", version="", revision="def")

    assert (found.service, found.version, found.revision) == ("shop", "", "def")


def test_the_environment_of_opentelemetry_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are percent-encoded, blanks around them do not count, and what is no pair is passed over."""
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=check%2Cout , service.version = 2.4.1,nonsense,vcs.ref.head.revision=9f%3D1,x=%zz,",
    )
    found = read_identity()

    assert (found.service, found.version, found.revision) == ("check,out", "2.4.1", "9f=1")


def test_the_service_s_own_variable_wins_over_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry gives ``OTEL_SERVICE_NAME`` precedence."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other")

    assert read_identity().service == "shop"


def test_only_texts_are_names() -> None:
    """A version given as a number is refused rather than stored as something else."""
    with pytest.raises(BadOption, match=r"version=2\.4 cannot work: version must be a text"):
        read_identity(version=2.4)  # type: ignore[arg-type]


def test_a_machine_without_a_boot_id_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The id of the boot is empty where the kernel has none."""
    monkeypatch.setattr(identity, "_BOOT_ID", str(tmp_path / "missing"))

    assert read_identity().boot_id == ""


def test_a_forked_child_is_another_instance() -> None:
    """It has its own number and start, though the parent's were read before."""
    seen = run_fresh("""
        import json, os, time
        from leakdiff.capture.identity import read_identity

        parent = read_identity()
        time.sleep(0.05)
        reader, writer = os.pipe()
        if not os.fork():
            child = read_identity()
            os.write(writer, json.dumps([child.pid, child.started, child.instance]).encode())
            os._exit(0)
        pid, _ = os.wait()
        child = json.loads(os.read(reader, 1000))
        print(json.dumps([child[0] == pid, child[1] - parent.started, child[2] != parent.instance]))
    """)
    is_own_pid, later, is_another = seen

    assert is_own_pid
    assert later >= 0.04
    assert is_another


# Installs a package as pip does, and starts it as ``python -m`` does.
INSTALLED = """
    import json, pathlib, runpy, sys, tempfile

    folder = pathlib.Path(tempfile.mkdtemp()) / {folder!r}
    package = folder / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import json; from leakdiff.capture.identity import read_identity; found = read_identity();"
        "print(json.dumps([found.service, found.version]))"
    )
    for name, top in {distributions!r}:
        info = folder / f"{{name}}-2.4.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: 2.4.1\\n")
        (info / "RECORD").write_text(f"{{top}}/__init__.py,,\\n{{name}}-2.4.1.dist-info/METADATA,,\\n")
    {extra}
    sys.path.insert(0, str(folder))
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
"""


def run_installed(
    *distributions: tuple[str, str], folder: str = "site-packages", module: str = "shop", extra: str = ""
) -> list[str]:
    """Return the service and version that an installed package finds for itself."""
    script = INSTALLED.format(distributions=distributions, folder=folder, module=module, extra=extra)
    found: list[str] = run_fresh(script)
    return found


def test_an_installed_package_is_its_own_service() -> None:
    """Name and version are those of the distribution."""
    assert run_installed(("shop", "shop")) == ["shop", "2.4.1"]


def test_a_distribution_of_another_name_is_found_by_what_it_contains() -> None:
    """``python -m shop`` may have been installed as ``acme-shop``, beside others."""
    assert run_installed(("other", "other"), ("acme_shop", "shop")) == ["acme_shop", "2.4.1"]


def test_a_distribution_that_only_has_the_name_is_not_taken() -> None:
    """A folder of sources named like something installed elsewhere is not that."""
    assert run_installed(("shop", "something_else"), folder="sources") == ["", ""]


def test_an_editable_installation_is_known_by_its_name() -> None:
    """Its list of files does not name the sources."""
    extra = "(folder / 'shop-2.4.1.dist-info' / 'direct_url.json').write_text('{\"dir_info\": {\"editable\": true}}')"

    assert run_installed(("shop", "link"), folder="sources", extra=extra) == ["shop", "2.4.1"]


def test_a_broken_installation_costs_nothing() -> None:
    """A distribution whose list of files makes no sense leaves the service without a name."""
    extra = "(folder / 'shop-2.4.1.dist-info' / 'RECORD').write_bytes(b'\\xff\\xfe,,')"

    assert run_installed(("shop", "shop"), extra=extra) == ["", ""]


def test_a_script_belongs_to_no_distribution() -> None:
    """A file that was started by its path is no package."""
    found = run_fresh("""
        import json
        from leakdiff.capture.identity import read_identity

        print(json.dumps([read_identity().service, read_identity().version]))
    """)

    assert found == ["", ""]
