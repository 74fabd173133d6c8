"""Microphones that publish the messages of other packages: heard, recorded and read, over real middleware.

Driver, listener and recorder are processes of their own, in an overlay that holds the definitions (`foreign_overlay`).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from foley_perception.episodes import read_episode
from foley_perception.recording.heard_bag import HeardBag

pytestmark = [pytest.mark.nodes, pytest.mark.slow]

HERE = Path(__file__).parent


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


driver, foreign_overlay = _beside("foreign_driver"), _beside("foreign_overlay")
NS = 1_000_000_000
TOPICS = {"ros_drivers": ("plain", "mp3", "raw"), "newer": ("stamped",)}


class Heard(NamedTuple):
    begin_ns: int  # when the first sample was captured
    out: Path  # NAME.npz for each topic, and the bag `foreign`


@pytest.fixture(scope="module", params=[pytest.param("newer", marks=pytest.mark.long), "ros_drivers"])
def heard(request: Any, tmp_path_factory: Any) -> Iterator[tuple[str, Heard]]:
    name: str = request.param
    out = tmp_path_factory.mktemp(name)
    try:
        environment = foreign_overlay.environment(name)
    except (RuntimeError, FileNotFoundError) as error:
        pytest.skip(f"the overlay cannot be built: {str(error)[:300]}")

    def start(script: str, *args: str, **how: Any) -> Any:
        command = [sys.executable, str(HERE / script), *args]
        return subprocess.Popen(command, env=environment, text=True, **how)

    processes = [
        start("foreign_driver.py", name, stdin=subprocess.PIPE, stdout=subprocess.PIPE),
        *(start("foreign_listener.py", mode, str(out), *TOPICS[name]) for mode in ("hear", "record")),
    ]
    try:
        assert [p.wait(500) for p in processes[1:]] == [0, 0]
        told, _ = processes[0].communicate("\n", timeout=300)
    finally:
        for process in processes:
            process.kill()
    yield name, Heard(int(told), out)


def expected(name: str) -> tuple[np.ndarray[Any, Any], int]:
    """The samples that a topic sends [messages, frames], and the delay of its coding."""
    if name == "mp3":
        whole = driver.mp3()[1]  # libsndfile leaves out the delay of encoder and decoder
        frames = np.concatenate([np.zeros(1105, np.float32), whole])
        return frames[: driver.MESSAGES * driver.MP3_FRAMES].reshape(driver.MESSAGES, -1), 1105
    pcm = driver.samples()[: driver.MESSAGES * driver.FRAMES].astype(np.float32) / 32768
    return pcm.reshape(driver.MESSAGES, -1), 0


def test_live_nodes_hear_what_was_sent_when_it_was_sent(heard: tuple[str, Heard]) -> None:
    overlay, (begin_ns, out) = heard
    for name in TOPICS[overlay]:
        found = np.load(out / f"{name}.npz")
        sent, delay = expected(name)
        frames = sent.shape[1]
        assert found["streams"] == 1 and not found["troubles"].size, (name, found["troubles"])
        kept = [k for k in range(driver.MESSAGES) if k != driver.LOST or name == "plain"]
        # The message that was left out is a gap of its length.
        assert found["first"].tolist() == [k * frames for k in kept], name
        assert set(found["rate"].tolist()) == {driver.RATE}
        # Of mp3, the frames after the one that is missing are not whole, and the first ones have nothing before them.
        clean = [k for k in kept if name != "mp3" or 3 < k < driver.LOST or k > driver.LOST + 8]
        at = {k: i for i, k in enumerate(kept)}
        samples = found["samples"].reshape(-1, frames)
        np.testing.assert_allclose(samples[[at[k] for k in clean]], sent[clean], atol=2e-6, err_msg=name)
        captured = begin_ns + (np.array(kept) * frames - delay) * NS // driver.RATE
        late = found["stamp"] - captured
        if name == "plain":  # no stamps: arrival, which is never early
            assert set(found["source"].tolist()) == {0} and found["uncertainty"].min() >= 0.005
            assert late.min() >= 0 and np.median(late) < NS
        else:
            assert set(found["source"].tolist()) == {1} and np.abs(late).max() <= 1, name


def test_a_recording_holds_the_messages_as_they_are_and_reads_as_sound(heard: tuple[str, Heard]) -> None:
    overlay, (begin_ns, out) = heard
    bag = HeardBag(out / "foreign")
    assert sum(1 for _ in bag.messages()) >= len(TOPICS[overlay]) * (driver.MESSAGES - 1)
    kinds = {
        "plain": "audio_common_msgs/msg/AudioData, S16LE 16000 Hz 1 ch",
        "mp3": "audio_common_msgs/msg/AudioDataStamped, mp3 16000 Hz 1 ch",
        "raw": "foxglove_msgs/msg/RawAudio, S16LE 16000 Hz 1 ch",
        "stamped": "audio_common_msgs/msg/AudioStamped, S16LE 16000 Hz 1 ch",
    }
    for name in TOPICS[overlay]:
        assert bag.told(f"/{name}/mic/audio") == kinds[name]
        episode = read_episode(out / "foreign", namespace=name)
        assert episode.audio is not None
        (segment,) = episode.audio.segments
        sent, delay = expected(name)
        frames = sent.shape[1]
        lost = ((driver.LOST * frames, (driver.LOST + 1) * frames),)
        assert segment.missing == (() if name == "plain" else lost), name
        whole = segment.samples.reshape(-1, frames)
        clean = [k for k in range(4, driver.MESSAGES) if not 0 <= k - driver.LOST <= 8]
        np.testing.assert_allclose(whole[clean], sent[clean], atol=2e-6, err_msg=name)
        start = begin_ns - delay * NS // driver.RATE
        error = float(segment.clock.time_ns(0)) - start
        assert abs(error) < 2e3 if name != "plain" else 0 <= error < NS, (name, error)
    bag.close()
