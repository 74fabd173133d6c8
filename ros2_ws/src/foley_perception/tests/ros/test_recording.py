"""What a recording begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from foley_msgs.srv import StopRecording
from foley_perception.recording.config import RecorderConfig
from foley_perception.recording.recording import LatchedStore, TopicSpec
from foley_perception.recording.takes import Take, Takes
from foley_perception.ros import recording

ROBOT = """\
sound:
  microphone: {channel: 1, raw: {coding: S24LE, sample_rate: 44100, channels: 2}}
  contact_microphone: {channel: 2}
"""


class Subscriptions(recording.RawSubscriptions):
    """Of a recorder below /left whose contact microphone is remapped; without middleware."""

    def __init__(self) -> None:
        names = {"/left/mic/audio": "mic/audio", "/usb": "contact_mic/audio"}
        self.specs = {t: TopicSpec(name, "foley_msgs/msg/AudioChunk", "audio") for t, name in names.items()}
        self._configured = dict(self.specs)

    def wrong_types(self, mapping: Any) -> list[str]:
        return []

    def without_publisher(self) -> list[str]:
        return []

    def offered_qos(self) -> dict[str, list[dict[str, object]]]:
        return {}


@pytest.mark.parametrize("by_request", [False, True])
def test_what_a_robots_file_says_of_sound_is_audited_whatever_its_topics_are_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by_request: bool
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(recording, "RecordingAudit", lambda *args: told.append(args))
    monkeypatch.setattr(recording, "Recording", lambda *args, **how: how["session"])
    extra = yaml.safe_dump({"robot_file": yaml.safe_load(ROBOT)}) if by_request else ""
    request = SimpleNamespace(
        max_duration=1.0, name="", recorded_by="", notes="", tags=[], metadata_yaml=extra
    )
    ground = recording.Ground(
        RecorderConfig(output_dir=str(tmp_path), robot_file=str(tmp_path / "gone.yaml")),  # was read before
        Subscriptions(),
        {"contact_mic/audio": "/usb"},
        "" if by_request else ROBOT,
    )
    session, _ = recording.begin_recording(ground, LatchedStore(), request, 10**18)
    (_, channels, raw) = told[0]
    assert channels == {"/left/mic/audio": 1, "/usb": 2}
    assert raw["microphone"].text == "S24LE 44100 Hz 2 ch" and "channel: 1" in session["robot_file"]


def test_of_several_recordings_that_were_cut_off_none_is_discarded_unasked(tmp_path: Path) -> None:
    entries = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        entries.append(dataclasses.asdict(Take(str(tmp_path / name), 2**22 + 1, 1, 0.0)))  # of no process
    (tmp_path / ".recorder.takes.json").write_text(json.dumps(entries))
    takes = Takes(tmp_path, "/recorder")
    response = recording.fill_interrupted(StopRecording.Response(), takes, takes.of_others(), discard=True)
    assert (
        (tmp_path / "a").is_dir()
        and (tmp_path / "b").is_dir()
        and "nothing was deleted" in response.error_msg
    )
    assert [take.path for take in takes.of_others()] == [str(tmp_path / "b")]
    recording.fill_interrupted(StopRecording.Response(), takes, takes.of_others(), discard=True)
    assert (tmp_path / "a").is_dir() and not (tmp_path / "b").exists()
