"""Taps with a running system become sound files, over real middleware."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import soundfile

pytestmark = pytest.mark.nodes


def _world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_world", Path(__file__).parents[1] / "live_world.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Robot:
    """Taps, once a recorder listens, until it is told to stop."""

    def __init__(self, context: Any) -> None:
        self.world = _world()
        self.bench = self.world.Bench(context.create_node())
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._tap)

    def _tap(self) -> None:
        start_ns, count = self.world.now_ns() - 60_000_000_000, 0
        while not self.stopped.wait(0.1):
            if not (
                self.bench.audio.get_subscription_count() and self.bench.contact.get_subscription_count()
            ):
                continue
            count += 1
            self.bench.contact.publish(self.world.contact_message(f"c{count}", start_ns + 250_000_000))
            self.bench.hear(self.world.ping(1.6), start_ns)
            start_ns += 1_600_000_000


@pytest.fixture
def robot(ros_context: Any) -> Iterator[Robot]:
    robot = Robot(ros_context)
    yield robot
    robot.stopped.set()
    if robot.thread.is_alive():
        robot.thread.join()


def test_taps_on_a_thing_become_one_file_in_which_each_is_found(robot: Robot, tmp_path: Path) -> None:
    from foley_synthesis.hearing.training.taps import Recording, read_taps
    from foley_synthesis.ros.tap_recorder import TapRecorder

    path = tmp_path / "metal" / "1.wav"
    told: list[int] = []
    with TapRecorder() as recorder:
        robot.thread.start()
        assert recorder.record(path, 3, 30.0, told.append) == 3
    assert told == [1, 2, 3]
    assert soundfile.info(path).samplerate == 48_000
    taps, problems = read_taps([Recording("metal", path)])
    assert problems == [] and len(taps) == 3
    assert all(abs(tap.onset_s - 0.25) < 0.02 for tap in taps)


def test_where_no_sound_comes_it_is_said_what_to_look_at(
    robot: Robot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from foley_synthesis.ros import tap_recorder

    monkeypatch.setattr(tap_recorder, "_SILENT_S", 0.2)
    silent = pytest.raises(tap_recorder.NothingHeard, match="no sound on mic/audio")
    with tap_recorder.TapRecorder() as recorder, silent:
        recorder.record(tmp_path / "1.wav", 3, 30.0, lambda n: None)
    assert not (tmp_path / "1.wav").exists()
