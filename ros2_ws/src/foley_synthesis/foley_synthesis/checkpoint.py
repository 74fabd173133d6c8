"""A trained model as a folder of plain files, and the check that it is whole.

    model.safetensors      weights, normalisation, PCA
    config.yaml            schema version, model shape, calibration, where the training data came from
    vocabulary.yaml        material labels, in the order of the probabilities
    exemplars.flac         the waveforms that example-based synthesis chooses from, one after the other
    exemplars.safetensors  their sound features and what the network predicts for them
    metrics.json           figures of training and evaluation; not part of the model's identity
    fusion.yaml            how what it sees and hears adds up (beliefs/fitted.py); not part of it either
    surprise.yaml          how surprising a contact is (metrics/surprise_ranks.py); not part of it either
    contacts_*.safetensors what a model of hearing says of contacts (beliefs/contact_bank.py); nor is this
    manifest.yaml          sha256 of each of the files above, except these three

The model id is the sha256 of manifest.yaml, so that it covers every byte that shapes a prediction.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from foley_common.metrics_file import METRICS_FILE, write_metrics
from foley_perception.near_names import among

if TYPE_CHECKING:
    from torch import Tensor


SCHEMA = "foley-vis-1"
MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.yaml"
VOCABULARY_FILE = "vocabulary.yaml"
EXEMPLAR_AUDIO_FILE = "exemplars.flac"
EXEMPLAR_FEATURE_FILE = "exemplars.safetensors"
MANIFEST_FILE = "manifest.yaml"
_SHIPPED = Path(__file__).parent / "data"
_IDENTITY_FILES = (MODEL_FILE, CONFIG_FILE, VOCABULARY_FILE, EXEMPLAR_AUDIO_FILE, EXEMPLAR_FEATURE_FILE)
_CURE = "copy the checkpoint again, or train one with `foley train DATASET --out DIR`"


class CorruptCheckpoint(ValueError):
    """A checkpoint file is missing, damaged or of another schema. The message names file and cure."""

    def __init__(self, path: Path, problem: str, cure: str = _CURE) -> None:
        super().__init__(f"{path}: {problem}; {cure}")
        self.path = path


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Material labels and their order. Published as `name`@`version`."""

    name: str
    version: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(
                f"vocabulary `{self.name}`: labels {self.labels} must be two or more, all different"
            )


@dataclasses.dataclass(frozen=True)
class Exemplars:
    """Real sounds to choose from, one per row, all of the same length and with the same onset."""

    audio: NDArray[np.float32]  # [n, samples] at `sample_rate`
    features: NDArray[np.float32]  # [n, frames, dims], sound features of `audio`
    keys: NDArray[np.float32]  # [n, frames, dims], what the network predicts for these contacts: searched
    clip_ids: tuple[str, ...]  # [n]
    object_ids: tuple[str, ...]  # [n]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Everything that inference needs, in memory."""

    tensors: dict[str, NDArray[Any]]
    config: dict[str, Any]  # see `training/build.py`, which writes it
    vocabulary: Vocabulary
    exemplars: Exemplars
    metrics: dict[str, Any]
    model_id: str = ""  # sha256; empty until saved
    path: Path = Path()  # that it was read from

    @property
    def domain(self) -> str:
        """What the model was trained on: `sim` or `real`."""
        return str(self.config["dataset"]["domain"])


def default_path() -> Path:
    """The checkpoint that ships with the package, which hears as well as predicts."""
    return _SHIPPED / "checkpoint"


def shipped() -> dict[str, Path]:
    """Models of all kinds that ship with the package, by name; `shipped` is that of :func:`default_path`."""
    folders = [file.parent for file in sorted(_SHIPPED.glob(f"*/{MANIFEST_FILE}"))]
    return {"shipped" if folder == default_path() else folder.name: folder for folder in folders}


def located(path: str | Path, cure: str = _CURE) -> Path:
    """The folder that somebody named: by its path or, where there is none, as one of those that ship.

    Args:
        cure: that a refusal ends with.

    Raises:
        CorruptCheckpoint: there is neither, which the message says, or an empty folder of a name that ships.
    """
    folder, known = Path(path).expanduser(), shipped()
    if folder.is_dir():
        if str(path) in known and not any(folder.iterdir()):
            raise CorruptCheckpoint(
                folder,
                "an empty folder here, which hides the model of this name that ships",
                "remove the folder",
            )
        return folder
    if str(path) in known:
        return known[str(path)]
    beside = sorted(file.parent.name for file in folder.parent.glob(f"*/{MANIFEST_FILE}"))
    there = f" in {folder.parent}: {among(folder.name, beside)}" if beside else ""
    raise CorruptCheckpoint(
        folder,
        f"no such checkpoint folder{there}; by name alone there are {', '.join(known) or 'none'}",
        cure,
    )


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> str:
    """Write the folder atomically (an existing one is replaced) and return the model id."""
    import soundfile
    from safetensors.numpy import save_file

    with staged(path) as staging:
        save_file({k: np.array(v, order="C") for k, v in checkpoint.tensors.items()}, staging / MODEL_FILE)
        config = {"schema": SCHEMA, **checkpoint.config}
        config["exemplars"] = {
            "clip_ids": list(checkpoint.exemplars.clip_ids),
            "object_ids": list(checkpoint.exemplars.object_ids),
            "samples": int(checkpoint.exemplars.audio.shape[1]),
        }
        write_yaml(staging / CONFIG_FILE, config)
        vocabulary = checkpoint.vocabulary
        write_yaml(
            staging / VOCABULARY_FILE,
            {"name": vocabulary.name, "version": vocabulary.version, "labels": list(vocabulary.labels)},
        )
        rate = int(checkpoint.config["audio"]["sample_rate"])
        flat = np.clip(checkpoint.exemplars.audio.reshape(-1), -1.0, 1.0 - 2**-15)
        soundfile.write(staging / EXEMPLAR_AUDIO_FILE, flat, rate, format="FLAC", subtype="PCM_16")
        # Half precision is ample for a nearest-neighbour search and halves the file.
        searched = {"features": checkpoint.exemplars.features, "keys": checkpoint.exemplars.keys}
        save_file(
            {name: np.array(value, np.float16, order="C") for name, value in searched.items()},
            staging / EXEMPLAR_FEATURE_FILE,
        )
        write_metrics(staging, checkpoint.metrics)
        write_yaml(staging / MANIFEST_FILE, {name: sha256_of(staging / name) for name in _IDENTITY_FILES})
    return sha256_of(path / MANIFEST_FILE)


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``path`` at the end; where an error ends it, ``path`` stays as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield staging
        staging.chmod(0o755)
        for file in staging.iterdir():
            if file.is_file():
                file.chmod(0o644)  # safetensors writes for the owner alone
        if path.exists():
            shutil.rmtree(path)
        staging.replace(path)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def model_id_of(path: Path) -> str:
    """The model id of a checkpoint folder, without reading the weights.

    Raises:
        CorruptCheckpoint: there is no checkpoint.
    """
    manifest = located(path) / MANIFEST_FILE
    if not manifest.is_file():
        raise CorruptCheckpoint(manifest, "not found")
    return sha256_of(manifest)


def schema_of(path: Path, cure: str = _CURE) -> str:
    """What kind of checkpoint a folder says that it is.

    Args:
        cure: that a refusal ends with.

    Raises:
        CorruptCheckpoint: there is no folder, or its config.yaml is missing or damaged.
    """
    return str(read_yaml(located(path, cure) / CONFIG_FILE, cure).get("schema", ""))


def load_checkpoint(path: str | Path | None = None, *, exemplars: bool = True) -> Checkpoint:
    """Read and verify a checkpoint folder; None means the one that ships with the package.

    Args:
        exemplars: whether its sounds are read; without them there are none, in far less memory.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or the schema is another.
    """
    from safetensors.numpy import load_file

    folder = default_path() if path is None else located(path)
    model_id = model_id_of(folder)
    config = read_yaml(folder / CONFIG_FILE)
    if config.get("schema") != SCHEMA:  # first of all: other kinds of checkpoint have other files
        raise CorruptCheckpoint(
            folder / CONFIG_FILE,
            f"schema is `{config.get('schema')}`, `{SCHEMA}` is needed",
            "train one with `foley train DATASET --out DIR`, or use the version that wrote it; a flow goes into "
            "`synthesizer.checkpoint` alone",
        )
    _verify(folder)
    words = read_yaml(folder / VOCABULARY_FILE)
    try:
        vocabulary = Vocabulary(str(words["name"]), str(words["version"]), tuple(map(str, words["labels"])))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(folder / VOCABULARY_FILE, f"not a vocabulary ({error})") from error
    tensors = load_file(folder / MODEL_FILE)
    outputs = int(config["model"]["materials"])
    if outputs != len(vocabulary.labels):
        raise CorruptCheckpoint(
            folder / VOCABULARY_FILE, f"has {len(vocabulary.labels)} labels, the model has {outputs} outputs"
        )
    sounds = _exemplars(folder, config["exemplars"]) if exemplars else _no_exemplars()
    metrics_path = folder / METRICS_FILE
    try:
        metrics = json.loads(metrics_path.read_text(encoding="utf-8")) if metrics_path.is_file() else {}
    except ValueError as error:
        cure = "delete the file; it holds figures only"
        raise CorruptCheckpoint(metrics_path, f"not JSON ({error})", cure) from error
    return Checkpoint(tensors, config, vocabulary, sounds, metrics, model_id, folder)


def _exemplars(folder: Path, about: Mapping[str, Any]) -> Exemplars:
    import soundfile
    from safetensors.numpy import load_file

    audio, _ = soundfile.read(folder / EXEMPLAR_AUDIO_FILE, dtype="float32")
    searched = load_file(folder / EXEMPLAR_FEATURE_FILE)
    return Exemplars(
        audio=audio.reshape(-1, int(about["samples"])),
        features=searched["features"].astype(np.float32),
        keys=searched["keys"].astype(np.float32),
        clip_ids=tuple(about["clip_ids"]),
        object_ids=tuple(about["object_ids"]),
    )


def _no_exemplars() -> Exemplars:
    none = np.zeros((0, 0, 0), np.float32)
    return Exemplars(np.zeros((0, 0), np.float32), none, none, (), ())


def _verify(folder: Path) -> None:
    expected = read_yaml(folder / MANIFEST_FILE)
    for name in _IDENTITY_FILES:
        path = folder / name
        if name not in expected:
            raise CorruptCheckpoint(folder / MANIFEST_FILE, f"does not name {name}")
        if not path.is_file():
            raise CorruptCheckpoint(path, "not found")
        if sha256_of(path) != expected[name]:
            raise CorruptCheckpoint(path, "content does not match the sha256 in manifest.yaml")


def read_yaml(path: Path, cure: str = _CURE) -> dict[str, Any]:
    """A mapping. Raises CorruptCheckpoint."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CorruptCheckpoint(path, f"not readable as YAML ({error})", cure) from error
    if not isinstance(content, dict):
        raise CorruptCheckpoint(path, "not a YAML mapping", cure)
    return content


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """A mapping, in its order."""
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def save_plain(
    path: Path,
    schema: str,
    tensors: Mapping[str, Tensor | NDArray[Any]],
    config: Mapping[str, Any],
    metrics: dict[str, Any],
    pages: Mapping[str, str] | None = None,
) -> str:
    """Write a folder of weights, config and figures whole or not at all, and return its model id.

    model.safetensors and config.yaml, which names the schema, are under the manifest's sha256; metrics.json and
    ``pages``, texts to read by the names of their files, are not.
    """
    import torch
    from safetensors.torch import save_file

    weights = {k: torch.as_tensor(v).detach().clone().contiguous() for k, v in tensors.items()}
    with staged(path) as staging:
        save_file(weights, staging / MODEL_FILE)
        write_yaml(staging / CONFIG_FILE, {"schema": schema, **config})
        write_metrics(staging, metrics)
        for name, text in (pages or {}).items():
            (staging / name).write_text(text, encoding="utf-8")
        write_yaml(staging / MANIFEST_FILE, {n: sha256_of(staging / n) for n in (MODEL_FILE, CONFIG_FILE)})
    return sha256_of(path / MANIFEST_FILE)


def load_plain(path: Path, schema: str, cure: str) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """What :func:`save_plain` wrote: config without its schema, weights, and model id.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or of another schema; the message ends with the cure.
    """
    from safetensors.torch import load_file

    folder, config, model_id = _verified(path, schema, cure)
    return config, load_file(folder / MODEL_FILE), model_id


def load_arrays(path: Path, schema: str, cure: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """As :func:`load_plain`, with weights as arrays: for whoever can do without torch."""
    from safetensors.numpy import load_file

    folder, config, model_id = _verified(path, schema, cure)
    return config, load_file(folder / MODEL_FILE), model_id


def _verified(path: Path, schema: str, cure: str) -> tuple[Path, dict[str, Any], str]:
    """Folder, config without its schema, and model id."""
    path = located(path, cure)
    manifest = read_yaml(path / MANIFEST_FILE, cure)
    for name in (MODEL_FILE, CONFIG_FILE):
        if not (path / name).is_file() or name not in manifest:
            raise CorruptCheckpoint(path / name, "not found, or not named by manifest.yaml", cure)
        if sha256_of(path / name) != manifest[name]:
            raise CorruptCheckpoint(path / name, "content does not match the sha256 in manifest.yaml", cure)
    config = read_yaml(path / CONFIG_FILE, cure)
    if (found := config.pop("schema", None)) != schema:
        raise CorruptCheckpoint(path / CONFIG_FILE, f"schema is `{found}`, must be `{schema}`", cure)
    return path, config, sha256_of(path / MANIFEST_FILE)
