"""A trained hearing model as a folder of plain files.

model.safetensors   weights of the members (`member0.`, ...) and tensors of its calibration (`calibration.`);
                    where it also hears recordings, frozen networks (`yamnet.`, `aisfx.`), `heads.` and `recorded.`
config.yaml         schema, sizes, vocabulary, calibration, what it was trained on
CARD.md             what it is, what it was trained on, where it fails; not part of the model's identity
metrics.json        figures of the training; not part of it either
manifest.yaml       sha256 of the first two files
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foley_synthesis.checkpoint import (
    CONFIG_FILE,
    CorruptCheckpoint,
    Vocabulary,
    load_plain,
    located,
    save_plain,
    schema_of,
)
from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.linear_heads import PREFIX, LinearHeads
from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble, HearingNet, NetConfig

SCHEMA = "foley-hearing-1"
CARD_FILE = "CARD.md"
CURE = "copy the checkpoint again, or train one with `foley train hearing SET --validation SET --out DIR`"
_CALIBRATION = "calibration."
_RECORDED = "recorded."  # calibration of what hears recordings
FROZEN = ("yamnet.", "aisfx.")  # tensors of the networks that are used as they are


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedPart:
    """What hears everything that is not of the simulated world: frozen networks and linear heads over them."""

    weights: dict[str, Tensor]  # of the frozen networks
    heads: LinearHeads
    calibration: dict[str, Any]  # plain values by name
    tensors: dict[str, Tensor]  # of the calibration, by name


@dataclasses.dataclass(frozen=True, eq=False)
class HearingFile:
    """All of it, in memory."""

    network: HearingEnsemble
    size: NetConfig
    front_end: FrontEndConfig
    vocabulary: Vocabulary
    actions: tuple[str, ...]
    facts: dict[str, Any]  # `domain`, and what it was trained on
    calibration: dict[str, Any]  # plain values by name
    tensors: dict[str, Tensor] = dataclasses.field(default_factory=dict)  # of the calibration, by name
    model_id: str = ""  # empty until saved
    path: Path = Path()
    card: str = ""
    recorded: RecordedPart | None = None

    @property
    def domain(self) -> str:
        """What it was trained on: `sim`; `sim+real` where networks that learned from recordings are within it."""
        return str(self.facts["domain"]) + ("" if self.recorded is None else "+real")


def save_hearing(file: HearingFile, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    vocabulary = file.vocabulary
    config = {
        "network": {**dataclasses.asdict(file.size), "widths": list(file.size.widths)},
        "members": len(file.network.members),
        "front_end": dataclasses.asdict(file.front_end),
        "vocabulary": {
            "name": vocabulary.name,
            "version": vocabulary.version,
            "labels": list(vocabulary.labels),
        },
        "actions": list(file.actions),
        "calibration": file.calibration,
        **file.facts,
    }
    weights = {
        f"member{i}.{name}": value
        for i, member in enumerate(file.network.members)
        for name, value in member.state_dict().items()
    }
    weights |= {_CALIBRATION + name: value for name, value in file.tensors.items()}
    if file.recorded is not None:
        config["recorded"] = {
            "actions": file.recorded.heads.actions,
            "calibration": file.recorded.calibration,
        }
        weights |= file.recorded.weights | file.recorded.heads.to_tensors()
        weights |= {_RECORDED + name: value for name, value in file.recorded.tensors.items()}
    return save_plain(path, SCHEMA, weights, config, metrics, {CARD_FILE: file.card} if file.card else {})


def load_hearing(path: str | Path) -> HearingFile:
    """Read and verify a folder, or what ships by that name.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or it is no hearing model.
    """
    folder = located(path, CURE)
    facts, tensors, model_id = load_plain(folder, SCHEMA, CURE)
    try:
        sizes = facts.pop("network")
        size = NetConfig(**{**sizes, "widths": tuple(sizes["widths"])})
        front_end = FrontEndConfig(**facts.pop("front_end"))
        words = facts.pop("vocabulary")
        vocabulary = Vocabulary(str(words["name"]), str(words["version"]), tuple(map(str, words["labels"])))
        actions = tuple(map(str, facts.pop("actions")))
        if (size.materials, size.actions, size.bands) != (
            len(vocabulary.labels),
            len(actions),
            front_end.bands,
        ):
            raise ValueError("network, vocabulary, actions and front end are of different sizes")
        members = [_member(size, tensors, f"member{i}.") for i in range(int(facts.pop("members")))]
        calibration = dict(facts.pop("calibration"))
        recorded = _recorded(facts.pop("recorded", None), tensors, size)
        facts["domain"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            folder / CONFIG_FILE, f"sizes and weights do not fit ({error})", CURE
        ) from error
    card = folder / CARD_FILE
    said = card.read_text(encoding="utf-8") if card.is_file() else ""
    network = HearingEnsemble(members).eval()
    return HearingFile(
        network, size, front_end, vocabulary, actions, facts, calibration, _of(tensors, _CALIBRATION), model_id,
        folder, said, recorded,
    )  # fmt: skip


def is_hearing(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False


def _recorded(
    values: dict[str, Any] | None, tensors: dict[str, Tensor], size: NetConfig
) -> RecordedPart | None:
    if values is None:
        return None
    heads = LinearHeads.of(tensors, int(values["actions"]))
    if (heads.materials, heads.actions) != (size.materials, size.actions):
        raise ValueError(f"{PREFIX}weight says {heads.materials} materials and {heads.actions} actions")
    frozen = {name: value for name, value in tensors.items() if name.startswith(FROZEN)}
    return RecordedPart(frozen, heads, dict(values["calibration"]), _of(tensors, _RECORDED))


def _of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _member(size: NetConfig, tensors: dict[str, Tensor], prefix: str) -> HearingNet:
    with torch.device("meta"):
        network = HearingNet(size)
    own = _of(tensors, prefix)
    # The coordinate of bands is no weight.
    network.load_state_dict(own, assign=True)
    network.coordinate = torch.linspace(-1.0, 1.0, size.bands)
    return network
