"""Parameters: what the files say is what the nodes take, and bad values are named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from foley_synthesis.live.advisor_config import AdvisorConfig
from foley_synthesis.live.config import MaterialConfig, SynthesizerConfig

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize(
    ("file", "config"),
    [
        ("material.yaml", MaterialConfig),
        ("synthesizer.yaml", SynthesizerConfig),
        ("contact_advisor.yaml", AdvisorConfig),
    ],
)
def test_file_names_every_parameter_with_its_default(file: str, config: type) -> None:
    written = yaml.safe_load((CONFIG / file).read_text())["/**"]["ros__parameters"]
    assert config(**written) == config()
    assert list(written) == [field.name for field in dataclasses.fields(config)]
    assert all(field.metadata["doc"] for field in dataclasses.fields(config))


@pytest.mark.parametrize(
    ("config", "changes", "named"),
    [
        (MaterialConfig, {"threads": 0}, "threads is 0"),
        (MaterialConfig, {"after_s": 0.0}, "after_s is 0.0"),
        (MaterialConfig, {"after_s": float("nan")}, "after_s is nan"),
        (MaterialConfig, {"fusion": "vote"}, "vote"),
        (MaterialConfig, {"fusion": "dirichlet", "sight_weight": 3.0}, "sight_weight is 3.0"),
        (MaterialConfig, {"same_object_radius_m": 0.0}, "same_object_radius_m"),
        (MaterialConfig, {"sample_rate": 44}, "sample_rate is 44"),
        (SynthesizerConfig, {"synthesis": "magic"}, "magic"),
        (SynthesizerConfig, {"hand_side": "both"}, "both"),
        (SynthesizerConfig, {"tip_frame": ""}, "tip_frame is empty"),
        (AdvisorConfig, {"tip_frame": ""}, "tip_frame is empty"),
        (AdvisorConfig, {"travel_speed": 0.0}, "travel_speed is 0.0"),
        (AdvisorConfig, {"listen_s": -1.0}, "listen_s is -1.0"),
        (SynthesizerConfig, {"clear_m": -1.0}, "clear_m"),
        (SynthesizerConfig, {"stream_lead_s": -0.7}, "needs stream_measured"),
        (SynthesizerConfig, {"stream_lead_s": -3.0, "stream_measured": True}, "stream_lead_s is -3.0"),
    ],
)
def test_bad_values_are_named(config: type, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        config(**changes)
