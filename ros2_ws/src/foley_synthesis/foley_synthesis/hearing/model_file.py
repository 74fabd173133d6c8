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
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from foley_synthesis.checkpoint import (
    CONFIG_FILE,
    CorruptCheckpoint,
    Vocabulary,
    load_arrays,
    located,
    save_plain,
    schema_of,
)
from foley_synthesis.hearing.front_end import FrontEndConfig
from foley_synthesis.hearing.linear_heads import PREFIX, LinearHeads
from foley_synthesis.hearing.output import NetConfig

if TYPE_CHECKING:
    from foley_synthesis.hearing.inference.networks import HearingNetworks
    from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble

Arrays = dict[str, NDArray[Any]]

SCHEMA = "foley-hearing-1"
CARD_FILE = "CARD.md"
CURE = "copy the checkpoint again, or train one with `foley train hearing SET --validation SET --out DIR`"
_CALIBRATION = "calibration."
_RECORDED = "recorded."  # calibration of what hears recordings
FROZEN = ("yamnet.", "aisfx.")  # tensors of the networks that are used as they are


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedPart:
    """What hears everything that is not of the simulated world: frozen networks and linear heads over them."""

    weights: Arrays  # of the frozen networks
    heads: LinearHeads
    calibration: dict[str, Any]  # plain values by name
    tensors: Arrays  # of the calibration, by name


@dataclasses.dataclass(frozen=True, eq=False)
class HearingFile:
    """All of it, in memory."""

    weights: Arrays  # of the members: `member0.`, ...
    size: NetConfig
    front_end: FrontEndConfig
    vocabulary: Vocabulary
    actions: tuple[str, ...]
    facts: dict[str, Any]  # `domain`, and what it was trained on
    calibration: dict[str, Any]  # plain values by name
    tensors: Arrays = dataclasses.field(default_factory=dict)  # of the calibration, by name
    model_id: str = ""  # empty until saved
    path: Path = Path()
    card: str = ""
    recorded: RecordedPart | None = None

    @property
    def domain(self) -> str:
        """What it was trained on: `sim`; `sim+real` where networks that learned from recordings are within it."""
        return str(self.facts["domain"]) + ("" if self.recorded is None else "+real")

    @property
    def members(self) -> int:
        """Networks that speak as one."""
        return len({name.partition(".")[0] for name in self.weights})

    def networks(self, threads: int = 1) -> HearingNetworks:
        """To hear with. Raises WrongWeights where weights and sizes do not fit."""
        from foley_synthesis.hearing.inference.networks import HearingNetworks

        return HearingNetworks(self.size, self.members, self.weights, threads)


def save_hearing(file: HearingFile, path: Path, metrics: dict[str, Any]) -> str:
    """Write the folder whole or not at all (an existing one is replaced) and return the model id."""
    vocabulary = file.vocabulary
    config = {
        "network": {**dataclasses.asdict(file.size), "widths": list(file.size.widths)},
        "members": file.members,
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
    weights = dict(file.weights)
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
    facts, tensors, model_id = load_arrays(folder, SCHEMA, CURE)
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
        weights = _members(size, int(facts.pop("members")), tensors)
        calibration = dict(facts.pop("calibration"))
        recorded = _recorded(facts.pop("recorded", None), tensors, size)
        facts["domain"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            folder / CONFIG_FILE, f"sizes and weights do not fit ({error})", CURE
        ) from error
    card = folder / CARD_FILE
    said = card.read_text(encoding="utf-8") if card.is_file() else ""
    return HearingFile(
        weights, size, front_end, vocabulary, actions, facts, calibration, _of(tensors, _CALIBRATION), model_id,
        folder, said, recorded,
    )  # fmt: skip


def is_hearing(path: Path) -> bool:
    """Whether a folder says that it is one."""
    try:
        return schema_of(path) == SCHEMA
    except CorruptCheckpoint:
        return False


def _recorded(values: dict[str, Any] | None, tensors: Arrays, size: NetConfig) -> RecordedPart | None:
    if values is None:
        return None
    heads = LinearHeads.of(tensors, int(values["actions"]))
    if (heads.materials, heads.actions) != (size.materials, size.actions):
        raise ValueError(f"{PREFIX}weight says {heads.materials} materials and {heads.actions} actions")
    frozen = {name: value for name, value in tensors.items() if name.startswith(FROZEN)}
    return RecordedPart(frozen, heads, dict(values["calibration"]), _of(tensors, _RECORDED))


def _of(tensors: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _members(size: NetConfig, count: int, tensors: Arrays) -> Arrays:
    """Weights of the members. Raises ValueError where there are others than said."""
    found = {name: value for name, value in tensors.items() if name.startswith("member")}
    names = {name.partition(".")[0] for name in found}
    if names != {f"member{i}" for i in range(count)}:
        raise ValueError(f"config.yaml says {count} members, the weights are of {', '.join(sorted(names))}")
    return found


def weights_of(network: HearingEnsemble) -> Arrays:
    """Of trained networks, as a file has them."""
    return {
        f"member{i}.{name}": value.detach().cpu().numpy().copy()
        for i, member in enumerate(network.members)
        for name, value in member.state_dict().items()
    }
