"""A trained flow as a folder of plain files, and the sounds that it makes.

model.safetensors   weights of both networks and their scales
config.yaml         schema, sizes, vision encoder and views, where the training data came from
metrics.json        figures of the training; not part of the model's identity
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foley_common.metrics_file import METRICS_FILE
from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, load_plain, save_plain
from foley_synthesis.flow.inference.condition import condition_of
from foley_synthesis.flow.networks.autoencoder import AutoencoderConfig, MelAutoencoder
from foley_synthesis.flow.networks.mel import GriffinLim, Vocoder
from foley_synthesis.flow.networks.rectified_flow import SampleConfig, sample
from foley_synthesis.flow.networks.vector_field import FieldConfig, VectorField
from foley_synthesis.flow.windows import LATENT_FRAMES, Batch

SCHEMA = "foley-flow-1"
_CURE = "copy the checkpoint again, or train one with `foley flow train`"
_RENAMED = {"field._nothing": "field._null_condition"}  # tensors as earlier versions wrote them
_NETWORKS = {"autoencoder": MelAutoencoder, "field": VectorField}


@dataclasses.dataclass(frozen=True, eq=False)
class FlowModel:
    """Both networks and what they were made for."""

    autoencoder: MelAutoencoder
    field: VectorField
    facts: dict[str, Any]  # encoder, views, without, dataset, domain
    model_id: str = ""  # sha256; empty until saved
    vocoder: Vocoder = dataclasses.field(default_factory=GriffinLim)

    @property
    def looks(self) -> bool:
        """Whether views are part of its condition: not in the ablation without vision."""
        return bool(self.facts.get("without", "") != "vision")

    @torch.no_grad()
    def mels(self, part: Batch, seed: int, config: SampleConfig | None = None) -> Tensor:
        """Spectrograms [b, 80, 500] of what is seen and done in a batch; another seed, another sound."""
        device = next(self.field.parameters()).device
        part, count = part.to(device), len(part.vision)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(count, self.field.config.latent, LATENT_FRAMES, generator=generator).to(device)
        known = condition_of(self.field.eval(), part, str(self.facts.get("without", "")))
        latent = sample(self.field, noise, known, self.field.null_condition(count, LATENT_FRAMES), config)
        return self.autoencoder.to(device).eval().decode(latent).cpu()

    def sounds(self, part: Batch, seed: int, config: SampleConfig | None = None) -> list[NDArray[np.float32]]:
        """Waveforms [128000] at 16 kHz."""
        return [self.vocoder.waveform(mel.numpy()) for mel in self.mels(part, seed, config)]


def save_model(model: FlowModel, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    tensors = {
        f"{name}.{key}": value
        for name in _NETWORKS
        for key, value in getattr(model, name).state_dict().items()
    }
    sizes = {name: dataclasses.asdict(getattr(model, name).config) for name in _NETWORKS}
    return save_plain(path, SCHEMA, tensors, {**sizes, **model.facts}, metrics)


def load_model(path: Path, device: str = "") -> FlowModel:
    """Read and verify a folder.

    Args:
        device: where it is to run; CUDA where there is one, else the CPU.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no flow.
    """
    config, weights, model_id = load_plain(path, SCHEMA, _CURE)
    tensors = {_RENAMED.get(name, name): value for name, value in weights.items()}
    try:
        coder = MelAutoencoder(AutoencoderConfig(**config.pop("autoencoder")))
        field = VectorField(FieldConfig(**config.pop("field")))
        for name, network in (("autoencoder", coder), ("field", field)):
            start = f"{name}."
            network.load_state_dict(
                {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return FlowModel(coder.to(place).eval(), field.to(place).eval(), config, model_id)


def is_flow(path: Path) -> bool:
    """Whether a folder says that it is one."""
    return (path / METRICS_FILE).is_file() and f"schema: {SCHEMA}" in _text(path / CONFIG_FILE)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
