"""A trained regression, or the template, as a folder of plain files.

model.safetensors   weights and scales
config.yaml         schema, variant, sizes, where the training data came from
metrics.json        figures of the training; not part of the model's identity
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from foley_common.metrics_file import METRICS_FILE
from foley_perception.action.contact_motion import tip_heights
from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, load_plain, save_plain
from foley_synthesis.flow.regression.config import RegressionConfig
from foley_synthesis.flow.regression.network import RegressionNet
from foley_synthesis.flow.regression.template import Template
from foley_synthesis.flow.regression.training import Crops, predictions

SCHEMA = "foley-regression-1"
Variant = Literal["mean", "sampled", "template"]
_CURE = "copy the checkpoint again, or train one with `foley flow regress`"


@dataclasses.dataclass(frozen=True, eq=False)
class RegressionModel:
    """From contact motion to levels over the room's tone."""

    network: RegressionNet | Template
    facts: dict[str, Any]  # variant, dataset, plan_error_s
    model_id: str = ""  # sha256; empty until saved

    @property
    def variant(self) -> Variant:
        """What kind it is."""
        if isinstance(self.network, Template):
            return "template"
        return "sampled" if self.network.config.noise else "mean"

    @torch.no_grad()
    def levels(
        self, features: Tensor, floor: Tensor, draws: int, seed: int, without: frozenset[str] = frozenset()
    ) -> Tensor:
        """Of features [n, channels] and a floor [80] the levels over it [draws, 80, n] in dB; of one sound [1, 80, n].

        Args:
            without: groups of channels that are not to be looked at.
        """
        if isinstance(self.network, Template):
            return self.network.levels_of(tip_heights(features.numpy()))[None]
        generator = torch.Generator().manual_seed(seed)
        crops = Crops(features[None], floor[None], floor.new_zeros(0))
        count = draws if self.network.config.noise else 1
        return predictions(self.network, crops, count, generator, without)[:, 0]


def save_model(model: RegressionModel, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    network = model.network
    if isinstance(network, Template):
        tensors = {"levels": network.levels}
        sizes = {key: value for key, value in dataclasses.asdict(network).items() if key != "levels"}
    else:
        tensors, sizes = network.state_dict(), dataclasses.asdict(network.config)
        sizes["groups"] = [list(group) for group in sizes["groups"]]
    config = {"network": sizes, **model.facts, "variant": model.variant}
    return save_plain(path, SCHEMA, tensors, config, metrics)


def load_model(path: Path) -> RegressionModel:
    """Read and verify a folder.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no regression.
    """
    config, tensors, model_id = load_plain(path, SCHEMA, _CURE)
    try:
        sizes = config.pop("network")
        network: RegressionNet | Template
        if config["variant"] == "template":
            network = Template(tensors["levels"], **sizes)
        else:
            network = RegressionNet(RegressionConfig(**sizes))
            network.load_state_dict(tensors)
            network.eval()
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    return RegressionModel(network, config, model_id)


def is_regression(path: Path) -> bool:
    """Whether a folder says that it is one."""
    config = path / CONFIG_FILE
    return (
        (path / METRICS_FILE).is_file()
        and config.is_file()
        and f"schema: {SCHEMA}" in config.read_text("utf-8")
    )
