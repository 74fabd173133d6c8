"""A trained flow of contacts as a folder of plain files, and the sounds that it makes of windows.

model.safetensors   weights in half precision and scales, of the field and of the codec
config.yaml         schema, sizes, how it samples, where the training data came from
metrics.json        figures of the training; not part of the model's identity
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, load_plain, save_plain, schema_of
from foley_synthesis.flow.codec.config import CodecConfig
from foley_synthesis.flow.codec.network import Codec, Coded
from foley_synthesis.flow.contact.batches import left_out, null_given
from foley_synthesis.flow.contact.latents import latent_of
from foley_synthesis.flow.contact.loss import FlowDraw, even_times, flow_errors
from foley_synthesis.flow.contact.sampling import ContactSampling, sample_latent
from foley_synthesis.flow.contact.window_conditions import Told, WindowConditions
from foley_synthesis.flow.networks.contact_field import (
    CONDITIONS,
    ContactCondition,
    ContactField,
    ContactFieldConfig,
)
from foley_synthesis.flow.window_model import EvaluationWindow, WindowGiven

SCHEMA = "foley-contact-flow-2"
_CURE = "copy the checkpoint again, or train one with `foley flow fit`"
_SCORE_TIMES = 16


@dataclasses.dataclass(frozen=True, eq=False)
class ContactFlowModel:
    """A `WindowModel`: field, codec, and what it is told of a window."""

    field: ContactField
    codec: Codec
    facts: dict[str, Any]
    model_id: str = ""  # sha256; empty until saved
    sampling: ContactSampling = dataclasses.field(default_factory=ContactSampling)
    conditions: WindowConditions = dataclasses.field(default_factory=WindowConditions)

    @property
    def given(self) -> WindowGiven:
        """What it is told of the hand."""
        if "motion" in self.without:
            return "place" if self.conditions.follows_tip else "nothing"
        return "motion and force" if self.conditions.executed else "plan"

    @property
    def without(self) -> tuple[str, ...]:
        """Conditions that it was trained without, or that are taken away."""
        return (*self.facts.get("without", ()), *(["motion"] if self.conditions.handless else []))

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that it was trained in, or what looks for it."""
        seen = self.conditions.views
        return frozenset(self.facts["train_scenes"]) | (seen.train_scenes if seen else frozenset())

    @property
    def sight_id(self) -> str:
        """Of the sight whose views it was trained with; empty: with none."""
        return str(self.facts.get("sight_id", ""))

    @torch.no_grad()
    def sounds(self, condition: ContactCondition, noise: Tensor) -> Tensor:
        """Sounds [b, 512 n] of noise [b, latent, n], all under a condition of a batch of 1."""
        field = self.field.eval()
        given = left_out(torch.ones(1, len(CONDITIONS)), self.without)
        known = field.condition(condition, given).expand(len(noise), -1, -1)
        null = None
        if self.sampling.guidance != 1.0:
            null = field.condition(condition, null_given(given)).expand(len(noise), -1, -1)
        latent = field.restore(sample_latent(field, noise, known, null, self.sampling))
        return self.codec.decode(Coded(latent[:, :-1], latent[:, -1:]))

    def draw(
        self,
        windows: Sequence[EvaluationWindow],
        draws: int,
        seed: int,
        step: Callable[[], None] = lambda: None,
    ) -> NDArray[np.float32]:
        """Sounds [n, draws, 128000] at 16 kHz, a function of windows and seed alone."""
        made = []
        for window in windows:
            condition = self.conditions.of(window, self.codec)
            generator = torch.Generator().manual_seed(window.noise_seed(seed))
            noise = torch.randn(draws, self.field.config.latent, condition.frames, generator=generator)
            made.append(self.sounds(condition, noise).numpy())
            step()
        return np.stack(made).astype(np.float32)

    @torch.no_grad()
    def score(self, window: EvaluationWindow, candidates: NDArray[np.float32]) -> NDArray[np.float64]:
        """Minus the flow's loss for each of candidates [k, 128000], all under the same noise and times [k]."""
        field = self.field.eval()
        condition = self.conditions.of(window, self.codec)
        given = left_out(torch.ones(1, len(CONDITIONS)), self.without)
        known = field.condition(condition, given)
        data = field.normalise(latent_of(torch.from_numpy(candidates), self.codec))
        generator = torch.Generator().manual_seed(zlib.crc32(window.window_id.encode()))
        times = even_times(_SCORE_TIMES, generator)
        scores = torch.zeros(len(candidates), dtype=torch.float64)
        for t in times:
            noise = torch.randn(1, *data.shape[1:], generator=generator).expand_as(data)
            errors = flow_errors(
                field, data, known.expand(len(data), -1, -1), FlowDraw(noise, t.expand(len(data)))
            )
            weighted = (errors * field.channel_weights[:, None]).double().sum(1)
            scores -= weighted.mean(1) / len(times)
        return scores.numpy()


def save_model(model: ContactFlowModel, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    tensors = {
        f"{name}.{key}": value
        for name, network in (("field", model.field), ("codec", model.codec))
        for key, value in _halved(network).items()
    }
    config = {
        "field": _plain(dataclasses.asdict(model.field.config)),
        "codec": _plain(dataclasses.asdict(model.codec.config)),
        "sampling": _plain(dataclasses.asdict(model.sampling)),
        **model.facts,
    }
    return save_plain(path, SCHEMA, tensors, config, metrics)


def _halved(network: nn.Module) -> dict[str, Tensor]:
    """Weights in half precision, which changes no sound that one could hear; scales as they are."""
    weights = {name for name, _ in network.named_parameters()}
    return {
        name: (value.detach().half() if name in weights else value.detach().clone()).contiguous()
        for name, value in network.state_dict().items()
    }


def _plain(value: Any) -> Any:
    """Tuples as lists, as YAML has them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def load_model(
    path: Path,
    *,
    executed: bool = False,
    told: Told = "nothing",
    context: int = 0,
    sampling: ContactSampling | None = None,
) -> ContactFlowModel:
    """Read and verify a folder.

    Args:
        executed: give it motion and force as measured, in place of the plan.
        told: whether it is told what lies under the tip.
        context: how many earlier sounds of each surface it may hear.
        sampling: in place of its own.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no flow of contacts.
    """
    facts, tensors, model_id = load_plain(path, SCHEMA, _CURE)
    tensors = {name: value.float() for name, value in tensors.items()}
    try:
        own = ContactSampling(**facts.pop("sampling"))
        field = ContactField(ContactFieldConfig(**facts.pop("field")))
        codec = Codec(CodecConfig(**facts.pop("codec")))
        for name, network in (("field", field), ("codec", codec)):
            start = f"{name}."
            network.load_state_dict(
                {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
            )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            path / CONFIG_FILE, f"sizes and weights do not fit ({error})", _CURE
        ) from error
    return ContactFlowModel(
        field.eval(),
        codec.eval(),
        facts,
        model_id,
        sampling or own,
        WindowConditions(executed=executed, told=told, context=context),
    )


def load_window_model(folder: Path) -> ContactFlowModel:
    """As a table of windows asks for it: planned motion, and nothing said of what is touched."""
    return load_model(folder)


def is_contact_flow(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False
