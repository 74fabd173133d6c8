"""The shipped parameter files say what the nodes' defaults are, and explain every parameter."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_perception.action.config import HandMapperConfig
from foley_perception.audio_devices.config import MicrophoneConfig, SpeakerConfig
from foley_perception.contact.config import ContactDetectorConfig
from foley_perception.hands.config import HandTrackerConfig
from foley_perception.scene.config import SceneReconstructorConfig

CONFIG = Path(__file__).parents[1] / "config"
NODES = {
    "contact_detector": ContactDetectorConfig,
    "hand_mapper": HandMapperConfig,
    "hand_tracker": HandTrackerConfig,
    "microphone": MicrophoneConfig,
    "scene_reconstructor": SceneReconstructorConfig,
    "speaker": SpeakerConfig,
}


@pytest.mark.parametrize("name", NODES)
def test_file_and_dataclass_agree(name: str) -> None:
    text = (CONFIG / f"{name}.yaml").read_text()
    values: dict[str, Any] = yaml.safe_load(text)["/**"]["ros__parameters"]
    defaults = dataclasses.asdict(NODES[name]())
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()} == defaults
    for line in text.splitlines()[2:]:
        assert "#" in line, f"`{line.strip()}` has no comment"
    for field in dataclasses.fields(NODES[name]):
        assert field.metadata.get("doc"), f"{field.name} has no description"
