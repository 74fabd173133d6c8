"""A taught predicate as a folder of plain files: its labelled contacts, from which its head is fitted when it is read.

NAME/predicate.yaml            schema, name, model of the embeddings, labels, groups, sources, write ids; and the
                               verdict, for people. It names the other files and is replaced in one step
NAME/examples-HASH.safetensors embeddings and plain numbers of the contacts, in the order of predicate.yaml
NAME/sounds/HASH.flac          what was heard of each, so that another hearing model can be taught with it
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from foley_synthesis.teaching.embedding import PLAIN, Embedding, Plain
from foley_synthesis.teaching.example import Example, TaughtSound, TeachingError
from foley_synthesis.teaching.taught import TaughtPredicate, teach

SCHEMA = "foley-taught-1"
FILE = "predicate.yaml"
_SOUNDS = "sounds"
_PEAK = 0.999  # of a stored sound that would clip

Embed = Callable[[TaughtSound], Embedding]
"""By the model that hears now. Raises CannotEmbed."""


class CorruptTaught(TeachingError):
    """A file is missing or damaged. The message names it and the cure."""


class OtherModel(TeachingError):
    """It was taught with another hearing model, and its sounds were not kept."""


def save(taught: TaughtPredicate, folder: Path) -> None:
    """Write the predicate into `folder`/NAME; who reads meanwhile finds the old one or the new one. Raises OSError."""
    place = folder / taught.name
    (place / _SOUNDS).mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = []
    for example in taught.examples:
        entry: dict[str, Any] = {
            "contact": example.contact_id,
            "label": example.label,
            "group": example.group,
            "source": example.source,
            "write_id": example.write_id,
        }
        if example.sound is not None:
            entry |= {
                "sound": _keep(example.sound, place / _SOUNDS),
                "onset_s": round(example.sound.onset_s, 6),
            }
        listed.append(entry)
    tensors = _write_tensors(taught, place)
    content = {
        "schema": SCHEMA,
        "name": taught.name,
        "text": taught.text,
        "features": taught.features_id,
        "sizes": list(taught.examples[0].embedding.sizes) if taught.examples else [],
        "tensors": tensors,
        "contacts": listed,
        "verdict": taught.to_dict(),
    }
    replace_file(place / FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    used = {tensors, FILE, _SOUNDS}
    for path in place.iterdir():
        if path.name not in used and not path.name.startswith("."):
            path.unlink(missing_ok=True)
    sounds = {entry.get("sound") for entry in listed}
    for path in (place / _SOUNDS).iterdir():
        if path.name not in sounds:
            path.unlink(missing_ok=True)


def load(place: Path, features_id: str = "", embed: Embed | None = None) -> TaughtPredicate:
    """Of the folder of one predicate.

    Args:
        features_id: of the model that hears now; empty: whatever it was taught with.
        embed: by that model, where it is another one.

    Raises:
        CorruptTaught: it cannot be read.
        OtherModel: it was taught with another model and cannot be embedded anew.
    """
    try:
        content = yaml.safe_load((place / FILE).read_text("utf-8"))
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}")
        taught_with = str(content["features"])
        examples = _examples(place, content)
        if content["name"] != place.name:
            raise ValueError(f"name is {content['name']}, must be that of the folder")
        taught = teach(str(content["name"]), examples, taught_with, str(content.get("text", "")))
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        cure = f"remove it with `foley predicate remove {place.name}` and teach it again"
        raise CorruptTaught(f"{place / FILE}: cannot be read ({error}); {cure}") from error
    if features_id in ("", taught_with):
        return taught
    return again(taught, features_id, embed)


def again(taught: TaughtPredicate, features_id: str, embed: Embed | None) -> TaughtPredicate:
    """The same contacts, embedded by another model. Raises OtherModel where that cannot be."""
    lost = [example.contact_id for example in taught.examples if example.sound is None]
    if embed is None or lost:
        why = (
            f"the sounds of {', '.join(lost[:3])} were not kept"
            if lost
            else "nothing hears its sounds anew here"
        )
        raise OtherModel(
            f"`{taught.name}` was taught with the hearing model {taught.features_id[:12]}, this one is "
            f"{features_id[:12]}, and {why}; hear with that model, or label contacts anew"
        )
    examples = [
        dataclasses.replace(e, embedding=embed(e.sound)) for e in taught.examples if e.sound is not None
    ]
    return teach(taught.name, examples, features_id, taught.text)


def remove(folder: Path, name: str) -> bool:
    """Whether it was there. Who reads meanwhile finds it whole or not at all. Raises OSError."""
    place = folder / name
    if not (place / FILE).is_file():
        return False
    (place / FILE).unlink()
    shutil.rmtree(place, ignore_errors=True)
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time, of any process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _examples(place: Path, content: dict[str, Any]) -> list[Example]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    listed = content["contacts"]
    if not listed:
        return []
    try:
        tensors = load_file(place / str(content["tensors"]))
    except SafetensorError as error:
        raise ValueError(f"{content['tensors']}: {error}") from error
    sizes = tuple(map(int, content["sizes"]))
    values, plain = tensors["embeddings"], tensors["plain"]
    if values.shape != (len(listed), sum(sizes)) or plain.shape != (len(listed), len(PLAIN)):
        raise ValueError(f"{content['tensors']} holds other contacts than {FILE} names")
    examples = []
    for entry, row, numbers in zip(listed, values, plain, strict=True):
        examples.append(
            Example(
                str(entry["contact"]),
                bool(entry["label"]),
                Embedding(row, sizes, Plain(*map(float, numbers))),
                str(entry["group"]),
                str(entry.get("source", "")),
                str(entry.get("write_id", "")),
                _sound(place, entry),
            )
        )
    return examples


def _sound(place: Path, entry: dict[str, Any]) -> TaughtSound | None:
    import soundfile

    path = place / _SOUNDS / str(entry.get("sound", ""))
    if not path.is_file():
        return None
    samples, rate = soundfile.read(path, dtype="float32")
    return TaughtSound(samples, int(rate), float(entry["onset_s"]))


def _keep(sound: TaughtSound, folder: Path) -> str:
    """Name of the file that holds it, by its content."""
    import soundfile

    # 24 bits hold what a model can tell; what is over full scale is no sound of a converter.
    samples = np.clip(sound.samples, -_PEAK, _PEAK)
    name = f"{hashlib.sha256(samples.tobytes() + str(sound.rate).encode()).hexdigest()[:24]}.flac"
    if not (folder / name).is_file():
        staging = folder / f".{name}"
        soundfile.write(staging, samples, sound.rate, format="FLAC", subtype="PCM_24")
        staging.replace(folder / name)
    return name


def _write_tensors(taught: TaughtPredicate, place: Path) -> str:
    from safetensors.numpy import save

    embeddings = [example.embedding for example in taught.examples]
    if not embeddings:
        return ""
    data = save(
        {
            "embeddings": np.stack([e.values for e in embeddings]).astype(np.float32),
            "plain": np.array([dataclasses.astuple(e.plain) for e in embeddings], np.float32),
        }
    )
    name = f"examples-{hashlib.sha256(data).hexdigest()[:16]}.safetensors"
    replace_file(place / name, data)
    return name


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file in one step: who reads it finds the old content or the new one. Raises OSError.

    Args:
        durable: wait until it is on the disk, so that a machine that loses its power finds it.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
