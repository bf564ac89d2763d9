"""The container's memory: each layout of control groups that hosts and containers have, as a small tree of files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakdiff.capture.cgroups import read_cgroup
from leakdiff.model.snapshot import Cgroup

V1_NO_LIMIT = "9223372036854771712\n"
V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = (
    "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw shared:12 master:3 - cgroup cgroup rw,memory\n"
)
V2_FILES = {
    "memory.current": "104857600\n",
    "memory.max": "536870912\n",
    "memory.stat": "anon 73400320\nfile 20971520\nkernel 4096\ninactive_file 10485760\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n",
}
V1_FILES = {
    "memory.usage_in_bytes": "104857600\n",
    "memory.limit_in_bytes": "536870912\n",
    "memory.stat": "cache 1\nrss 2\ninactive_file 3\nhierarchical_memory_limit 536870912\n"
    "total_cache 20971520\ntotal_rss 73400320\ntotal_inactive_file 10485760\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
V2 = Cgroup(
    version=2,
    usage=104_857_600,
    limit=536_870_912,
    anon=73_400_320,
    file=20_971_520,
    inactive_file=10_485_760,
    oom_kills=2,
)
V1 = attrs.evolve(V2, version=1)


def plant(root: Path, files: dict[str, str], below: str = "") -> Path:
    """Write files below a folder of a tree."""
    for name, text in files.items():
        path = root / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def plant_proc(root: Path, cgroup: str, mounts: str) -> Path:
    """Write what the kernel tells of the process."""
    return plant(root, {"cgroup": cgroup, "mountinfo": mounts}, "proc/self")


# -- version 2 -------------------------------------------------------------------------------------


def test_v2_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    """In a namespace of its own the path is ``/``, and the files lie where the hierarchy is mounted."""
    plant_proc(tmp_path, "0::/\n", V2_MOUNT)
    plant(tmp_path, V2_FILES, "sys/fs/cgroup")

    assert read_cgroup(tmp_path) == V2


def test_v2_a_service_of_the_host_lies_below(tmp_path: Path) -> None:
    """A systemd unit has its own group some levels below the mount."""
    plant_proc(tmp_path, "0::/system.slice/shop.service\n", V2_MOUNT)
    plant(tmp_path, V2_FILES, "sys/fs/cgroup/system.slice/shop.service")

    assert read_cgroup(tmp_path) == V2


def test_v2_the_lowest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """A group without a limit ends where the first one above it does."""
    plant_proc(tmp_path, "0::/kubepods/pod7/shop\n", V2_MOUNT)
    plant(tmp_path, V2_FILES | {"memory.max": "max\n"}, "sys/fs/cgroup/kubepods/pod7/shop")
    plant(tmp_path, {"memory.max": "268435456\n"}, "sys/fs/cgroup/kubepods/pod7")
    plant(tmp_path, {"memory.max": "8589934592\n"}, "sys/fs/cgroup/kubepods")

    assert read_cgroup(tmp_path) == attrs.evolve(V2, limit=268_435_456)


def test_v2_without_any_limit_there_is_none(tmp_path: Path) -> None:
    """``max`` all the way up is no limit."""
    plant_proc(tmp_path, "0::/shop\n", V2_MOUNT)
    plant(tmp_path, V2_FILES | {"memory.max": "max\n"}, "sys/fs/cgroup/shop")

    assert read_cgroup(tmp_path) == attrs.evolve(V2, limit=None)


def test_v2_a_path_of_the_host_that_is_not_in_here_means_the_mount(tmp_path: Path) -> None:
    """Without a namespace the container reads the host's path, and sees only its own group's files."""
    plant_proc(tmp_path, "0::/docker/4f1c\n", V2_MOUNT)
    plant(tmp_path, V2_FILES, "sys/fs/cgroup")

    assert read_cgroup(tmp_path) == V2


def test_v2_a_path_outside_of_the_namespace_means_the_mount(tmp_path: Path) -> None:
    """A process that was moved out of its namespace has a path that climbs; nothing above the mount is read."""
    plant_proc(tmp_path, "0::/../other\n", V2_MOUNT)
    plant(tmp_path, V2_FILES, "sys/fs/cgroup")
    plant(tmp_path, V2_FILES | {"memory.current": "1\n"}, "sys/fs/other")

    assert read_cgroup(tmp_path) == V2


def test_v2_memory_is_charged_to_the_nearest_group_that_counts_it(tmp_path: Path) -> None:
    """A group to which the memory controller was not handed down is part of the one above."""
    plant_proc(tmp_path, "0::/user.slice/shell\n", V2_MOUNT)
    plant(tmp_path, V2_FILES, "sys/fs/cgroup/user.slice")
    plant(tmp_path, {"cgroup.procs": "1\n"}, "sys/fs/cgroup/user.slice/shell")

    assert read_cgroup(tmp_path) == V2


def test_v2_the_machine_itself_is_no_container(tmp_path: Path) -> None:
    """The kernel's topmost group has no count of its own."""
    plant_proc(tmp_path, "0::/\n", V2_MOUNT)
    plant(tmp_path, {"memory.stat": "anon 1\n"}, "sys/fs/cgroup")

    assert read_cgroup(tmp_path) is None


# -- version 1 and both ----------------------------------------------------------------------------


def test_v1_docker_mounts_the_container_s_group_alone(tmp_path: Path) -> None:
    """The host's path and the root of the mount are the same: the files lie at the mount."""
    plant_proc(
        tmp_path,
        "5:memory:/docker/4f1c\n3:cpu,cpuacct:/docker/4f1c\n1:name=systemd:/docker/4f1c\n",
        "32 30 0:28 /docker/4f1c /sys/fs/cgroup/memory ro master:12 - cgroup cgroup rw,memory\n",
    )
    plant(tmp_path, V1_FILES, "sys/fs/cgroup/memory")

    assert read_cgroup(tmp_path) == V1


def test_v1_a_group_of_the_host_lies_below(tmp_path: Path) -> None:
    """The memory controller's hierarchy is used, also where several controllers share one."""
    plant_proc(tmp_path, "7:cpu,memory:/shop\n2:pids:/other\n", V1_MOUNT.replace("rw,memory", "rw,cpu,memory"))
    plant(tmp_path, V1_FILES, "sys/fs/cgroup/memory/shop")

    assert read_cgroup(tmp_path) == V1


def test_v1_the_largest_number_there_is_means_no_limit(tmp_path: Path) -> None:
    """Version 1 has no word for no limit, but a number near 2 ** 63."""
    plant_proc(tmp_path, "5:memory:/shop\n", V1_MOUNT)
    stat = V1_FILES["memory.stat"].replace("hierarchical_memory_limit 536870912", "")
    plant(
        tmp_path,
        V1_FILES | {"memory.limit_in_bytes": V1_NO_LIMIT, "memory.stat": stat},
        "sys/fs/cgroup/memory/shop",
    )

    assert read_cgroup(tmp_path) == attrs.evolve(V1, limit=None)


def test_v1_the_kernel_names_limits_above_that_cannot_be_seen(tmp_path: Path) -> None:
    """The lowest limit above a container is in its own statistics, though the group above is not mounted."""
    plant_proc(tmp_path, "5:memory:/shop\n", V1_MOUNT)
    plant(tmp_path, V1_FILES | {"memory.limit_in_bytes": V1_NO_LIMIT}, "sys/fs/cgroup/memory/shop")

    assert read_cgroup(tmp_path) == V1


def test_v1_without_hierarchy_the_group_s_own_numbers_count(tmp_path: Path) -> None:
    """Statistics without totals are those of the group alone."""
    plant_proc(tmp_path, "5:memory:/shop\n", V1_MOUNT)
    plant(
        tmp_path,
        V1_FILES | {"memory.stat": "cache 30\nrss 20\ninactive_file 10\n"},
        "sys/fs/cgroup/memory/shop",
    )

    assert read_cgroup(tmp_path) == attrs.evolve(V1, anon=20, file=30, inactive_file=10)


def test_v1_the_machine_itself_is_no_container(tmp_path: Path) -> None:
    """The topmost group counts the whole machine; only it has a release agent."""
    plant_proc(tmp_path, "5:memory:/\n", V1_MOUNT)
    plant(tmp_path, V1_FILES | {"release_agent": "\n"}, "sys/fs/cgroup/memory")

    assert read_cgroup(tmp_path) is None


def test_hybrid_memory_belongs_to_version_1_where_it_lists_it(tmp_path: Path) -> None:
    """Both versions are mounted; the memory controller can be in one of them only."""
    plant_proc(
        tmp_path,
        "4:memory:/shop\n0::/shop\n",
        V1_MOUNT + V2_MOUNT.replace("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw"),
    )
    plant(tmp_path, V1_FILES, "sys/fs/cgroup/memory/shop")
    plant(tmp_path, {"cgroup.procs": "1\n"}, "sys/fs/cgroup/unified/shop")

    assert read_cgroup(tmp_path) == V1


def test_hybrid_memory_belongs_to_version_2_where_version_1_does_not_list_it(tmp_path: Path) -> None:
    """A host with systemd may leave version 1 the controllers that version 2 does not have."""
    plant_proc(
        tmp_path,
        "4:net_cls:/\n1:name=systemd:/shop\n0::/shop\n",
        V1_MOUNT + V2_MOUNT.replace("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw"),
    )
    plant(tmp_path, V2_FILES, "sys/fs/cgroup/unified/shop")

    assert read_cgroup(tmp_path) == V2


# -- what is missing or broken ---------------------------------------------------------------------


def test_files_that_are_missing_or_garbled_are_unknown(tmp_path: Path) -> None:
    """What can be read is; what makes no sense is None, and nothing raises."""
    plant_proc(tmp_path, "0::/\n", V2_MOUNT)
    plant(
        tmp_path,
        {
            "memory.current": "4096\n",
            "memory.max": "-1\n",
            "memory.stat": "anon\nfile many\ninactive_file 7 8\n\x00",
            "memory.events/folder": "where a file should be",
        },
        "sys/fs/cgroup",
    )

    assert read_cgroup(tmp_path) == Cgroup(version=2, usage=4_096)


@pytest.mark.parametrize(
    ("cgroup", "mounts"),
    [
        ("", V2_MOUNT),
        ("0::/\n", ""),
        ("nonsense\n::\n", "more nonsense - \n"),
        ("5:memory:/shop\n", V2_MOUNT),
        ("0::/\0\n", V2_MOUNT),
    ],
)
def test_without_a_group_that_counts_memory_there_is_no_container(tmp_path: Path, cgroup: str, mounts: str) -> None:
    """Files that name no hierarchy, none for memory, or one that is not mounted, are no container."""
    assert read_cgroup(plant_proc(tmp_path, cgroup, mounts)) is None


def test_without_proc_there_is_no_container(tmp_path: Path) -> None:
    """Nothing is known where the kernel tells nothing."""
    assert read_cgroup(tmp_path) is None


def test_blanks_in_paths_are_understood(tmp_path: Path) -> None:
    """The kernel writes a blank in the path of a mount as an octal number."""
    plant_proc(tmp_path, "0::/my shop\n", V2_MOUNT.replace("/sys/fs/cgroup", "/control\\040groups"))
    plant(tmp_path, V2_FILES, "control groups/my shop")

    assert read_cgroup(tmp_path) == V2


@given(st.lists(st.binary(max_size=60), min_size=6, max_size=6))
def test_no_content_of_the_files_raises(contents: list[bytes]) -> None:
    """Whatever the six files say, the answer is a group or None."""
    with tempfile.TemporaryDirectory() as folder:
        root = plant_proc(Path(folder), "0::/\n", V2_MOUNT)
        names = ["proc/self/cgroup", "proc/self/mountinfo", *(f"sys/fs/cgroup/{name}" for name in V2_FILES)]
        plant(root, V2_FILES, "sys/fs/cgroup")
        for name, content in zip(names, contents, strict=True):
            (root / name).write_bytes(content or (root / name).read_bytes())
        found = read_cgroup(root)

    assert found is None or found.usage >= 0


def test_this_machine_s_own_layout_is_read() -> None:
    """Whatever runs the tests: no container, or one that is in use, with its parts within the whole."""
    found = read_cgroup()

    assert found is None or found.usage > 0
    assert found is None or found.limit is None or found.limit > 0
