"""Leftovers of killed processes go, what a living one uses stays."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foley_bringup import shared_memory

NAME = "fastrtps_0123456789abcdef"


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    for name in (NAME, "fastrtps_fedcba9876543210", "fastrtps_port7411", "other"):
        (tmp_path / name).write_bytes(b"x" * 5000)
    for lock in (
        f"{NAME}_el",
        "fastrtps_fedcba9876543210_el",
        "fastrtps_port7411_sl",
        "sem.fastrtps_port7411_mutex",
    ):
        (tmp_path / lock).touch()
    with (tmp_path / "fastrtps_fedcba9876543210_el").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        count, size = shared_memory.clean(tmp_path, min_age_s=-1.0)
    assert count == 2 and size >= 10_000
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"fastrtps_fedcba9876543210", "fastrtps_fedcba9876543210_el", "other"}


def test_young_files_and_missing_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    assert shared_memory.clean(tmp_path) == (0, 0) and (tmp_path / NAME).exists()
    assert shared_memory.clean(tmp_path / "nowhere") == (0, 0)


@pytest.mark.nodes
@pytest.mark.skipif(not shared_memory.FOLDER.is_dir(), reason="no /dev/shm here")
def test_a_killed_process_is_cleaned_up_after_and_a_living_one_is_not(
    ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rclpy")
    # Those that discover each other map each other's segments sooner or later, and what is mapped stays.
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    script = "import rclpy, time; rclpy.init(); n = rclpy.create_node('ghost'); print('up', flush=True); time.sleep(99)"
    before = {p.name for p in shared_memory.FOLDER.iterdir()}
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "up\n"
        used = {process.pid: _segments(process.pid) - before for process in processes}
        dead, living = processes
        os.kill(dead.pid, signal.SIGKILL)
        dead.wait(60)
        own = used[dead.pid] - used[living.pid]
        count, size, left = 0, 0, own
        ends = time.monotonic() + 20.0
        while own & left and time.monotonic() < ends:  # another test's process may be looking at it just now
            more, freed = shared_memory.clean(min_age_s=-1.0)
            count, size = count + more, size + freed
            left = {p.name for p in shared_memory.FOLDER.iterdir()}
        assert own and not own & left and count >= 1 and size > 0
        assert used[living.pid] and used[living.pid] <= left
        assert living.poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait(60)
        shared_memory.clean(min_age_s=-1.0)


def _segments(pid: int) -> set[str]:
    """Names in /dev/shm that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.rsplit("/dev/shm/", 1)[1] for line in lines if "/dev/shm/fastrtps_" in line}
