"""The doctor's checks, each with a healthy and a sick patient."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from foley_bringup import doctor
from foley_bringup.doctor import ERROR, OK, WARN, Finding

PROFILE = Path(__file__).resolve().parents[1] / "config" / "fastdds.xml"


def test_the_profile_is_judged_by_its_segment(tmp_path: Path) -> None:
    assert doctor.profile({"FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)}).level == OK
    assert doctor.profile({}).level == WARN
    small = tmp_path / "small.xml"
    small.write_text(PROFILE.read_text().replace("33554432", "524288"))
    finding = doctor.profile({"FASTDDS_DEFAULT_PROFILES_FILE": str(small)})
    assert finding.level == WARN and "524288" in finding.found and "segment_size" in finding.cure
    broken = tmp_path / "broken.xml"
    broken.write_text("<dds>")
    assert doctor.profile({"FASTRTPS_DEFAULT_PROFILES_FILE": str(broken)}).level == ERROR


@pytest.mark.parametrize(
    ("text", "level"), [("12", OK), ("", OK), ("150", WARN), ("300", ERROR), ("kitchen", ERROR)]
)
def test_domains(text: str, level: str) -> None:
    assert doctor.domain({"ROS_DOMAIN_ID": text}).level == level


def test_a_taken_port_is_found() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 7400 + 250 * 49))
        finding = doctor.domain({"ROS_DOMAIN_ID": "49"})
    assert finding.level == ERROR and "choose another" in finding.cure


def test_disk_and_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 3e9

    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage)
    assert doctor.disk(tmp_path).level == ERROR
    Usage.free = 1e8
    assert doctor.shared_memory(tmp_path).level == WARN


def test_missing_extras_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"base": ("json",), "learn": ("a_module_that_is_not_there",)})
    finding = doctor.packages()
    assert finding.level == WARN and "learn lacks a_module_that_is_not_there" in finding.found
    monkeypatch.setattr(doctor, "EXTRAS", {"base": ("a_module_that_is_not_there",)})
    assert doctor.packages().level == ERROR


def test_hands_say_whether_their_networks_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finding = doctor.hands()
    assert finding.level == OK and "not fetched" in finding.found and "foley hands fetch" in finding.cure
    folder = tmp_path / "foley" / "hands"
    folder.mkdir(parents=True)
    for name in ("palm", "landmarks"):
        (folder / f"{name}.tflite").touch()
    assert str(folder) in doctor.hands().found and not doctor.hands().cure


def test_missing_nodes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.nodes().level == OK
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    finding = doctor.nodes()
    assert finding.level == ERROR and "make setup" in finding.cure


def test_a_check_that_crashes_is_a_finding() -> None:
    def crash() -> Finding:
        raise RuntimeError("boom")

    findings = doctor.examine((crash, doctor.python))
    assert [f.level for f in findings] == [WARN, OK] and "boom" in findings[0].found


@pytest.mark.nodes
def test_this_machine_passes(ros_domain: int) -> None:
    """Where the tests run everything must be there; and every complaint names a cure."""
    result = subprocess.run(["foley", "doctor", "--json"], capture_output=True, text=True, timeout=600)
    findings: list[dict[str, Any]] = json.loads(result.stdout)
    by_name = {f["check"]: f for f in findings}
    assert len(findings) == len(doctor.CHECKS)
    for name in ("python", "packages", "ros", "dds profile", "middleware", "nodes", "rendering"):
        assert by_name[name]["level"] != ERROR, by_name[name]
    assert all(f["cure"] for f in findings if f["level"] != OK)
    assert result.returncode == int(any(f["level"] == ERROR for f in findings))
