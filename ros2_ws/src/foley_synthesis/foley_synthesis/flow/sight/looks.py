"""What sight knows of sessions: vectors of chosen views of each thing, kept beside the set.

A set's folder gets `sight_features/`, one file for each session, named by the session file's content, the encoder's
weights and the code that looks; a file that is damaged or of something else is made anew.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foley_common.session_file import SessionData, read_session
from foley_perception.geometry import height_map
from foley_synthesis.checkpoint import sha256_of
from foley_synthesis.flow.sight import moments as moments_module
from foley_synthesis.flow.sight import pictures, things
from foley_synthesis.flow.sight.moments import PLACES, Moments, session_moments
from foley_synthesis.flow.sight.things import FORMS
from foley_synthesis.flow.what import under
from foley_synthesis.vision.protocol import VisionEncoder

FOLDER = "sight_features"
LOCAL = "local"  # views whose name begins so look at where the tip will be


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """Chosen views of one session, in order of time."""

    moment: NDArray[np.int64]  # [k]
    thing: NDArray[np.int32]  # [k] region of the height map
    object: NDArray[np.int16]  # [k] index in the session's `objects`; -1: none of them
    vector: NDArray[np.float16]  # [k, width] of the view
    form: NDArray[np.float32]  # [k, FORMS + PLACES]

    @property
    def inputs(self) -> NDArray[np.float32]:
        """[k, width + FORMS + PLACES] as the head takes them."""
        return np.concatenate([self.vector.astype(np.float32), self.form], axis=1)


def local_view(session: SessionData) -> str:
    """The name of the view that looks at where the tip will be; empty where there is none."""
    names = [name for name in session.facts.get("view_names", ()) if name.startswith(LOCAL)]
    return names[0] if names and session.views else ""


def look_at(session: SessionData, encoder: VisionEncoder, moments: Moments | None = None) -> Look:
    """Look at each thing of a session.

    Raises:
        ValueError: it has no local views, nothing was seen of its surface, or a view is damaged.
    """
    name = local_view(session)
    if not name:
        raise ValueError(
            f"session `{session.facts['scene_id']}` has no local views; make it with `foley sim sessions --views`"
        )
    moments = session_moments(session) if moments is None else moments
    files = [session.view(moment, name) for moment in range(session.views)]
    rows = moments.chosen(np.array([bool(file) for file in files], bool))
    distinct = {hashlib.sha256(files[row]).digest(): files[row] for row in rows}
    position = {key: index for index, key in enumerate(distinct)}
    found = pictures.vectors([pictures.decoded(file) for file in distinct.values()], encoder)
    which = [position[hashlib.sha256(files[row]).digest()] for row in rows]
    objects = under(moments.tip[rows], session.facts["objects"])
    return Look(rows, moments.thing[rows], objects, found[which].astype(np.float16), moments.forms(rows))


def looks_of(
    folder: Path,
    encoder: VisionEncoder,
    paths: list[Path],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Look]:
    """Looks at sessions of a set, from its folder where they are there.

    Raises:
        ValueError: as `look_at` and `read_session`.
        OSError: a file cannot be read or written.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    found = []
    for done, path in enumerate(paths, start=1):
        mark = f"{_sources()} {encoder.identity} {sha256_of(path)}"
        key = hashlib.sha256(mark.encode()).hexdigest()[:16]
        kept = folder / FOLDER / f"{path.stem}-{key}.safetensors"
        look = _read(kept, pictures.Layout(encoder.dims).width)
        if look is None:
            look = look_at(read_session(path), encoder)
            _write(kept, look)
        found.append(look)
        progress(done, len(paths))
    return found


@functools.cache
def _sources() -> str:
    """Of what computes a look: changed code looks again."""
    modules = (height_map, things, moments_module, pictures)
    own = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(own + Path(__file__).read_bytes()).hexdigest()


def _read(path: Path, width: int) -> Look | None:
    """What a file holds; None where it is not there, damaged, or of other sizes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        look = Look(**load_file(path))
    except (OSError, SafetensorError, ValueError, TypeError):
        return None
    count = len(look.moment)
    fits = look.vector.shape == (count, width) and look.form.shape == (count, FORMS + PLACES)
    return look if fits else None


def _write(path: Path, look: Look) -> None:
    """Whole or not at all."""
    from safetensors.numpy import save_file

    arrays = {
        field.name: np.ascontiguousarray(getattr(look, field.name)) for field in dataclasses.fields(look)
    }
    part = path.with_suffix(".part")
    save_file(arrays, part)
    part.replace(path)
