"""What views show of the things of sessions, as a flow is given it in training: looked at once, kept beside the set.

<set>/.views/<sight>/<session>.safetensors    features [things + 1, dims] float16, and what lies under the tip [n]
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from foley_common.session_file import read_session
from foley_perception.geometry import height_map
from foley_synthesis.flow.contact.items import SeenThings
from foley_synthesis.flow.session_items import SessionItem
from foley_synthesis.flow.sight import inference, looks, model, moments, pictures, things
from foley_synthesis.flow.sight.inference import Sight
from foley_synthesis.flow.sight.looks import LOCAL
from foley_synthesis.flow.sight.windows import shown_scenes


class Eyes:
    """Looks at sessions.

    Args:
        stills: sets whose files show scenes that sessions have no views of.

    Raises:
        OSError, ValueError: a file of stills cannot be read.
    """

    def __init__(self, sight: Sight, stills: Iterable[Path] = ()) -> None:
        self._sight = sight
        self._shown = shown_scenes(stills)

    @property
    def sight_id(self) -> str:
        """Of the trained sight."""
        return self._sight.features_id

    @property
    def train_scenes(self) -> frozenset[str]:
        """Scene ids that sight was trained in."""
        return frozenset(self._sight.model.facts.get("train_scenes", ()))

    def of(self, item: SessionItem) -> SeenThings | None:
        """What views show; None where neither the session nor any of the stills shows its scene.

        Raises:
            OSError, ValueError: a file cannot be read, or a view is damaged.
        """
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import save_file

        own = any(name.startswith(LOCAL) for name in item.facts.get("view_names", ()))
        shown = item.path if own else self._shown.get(str(item.facts["scene_id"]))
        if shown is None:
            return None
        path = item.path.parent / ".views" / self._sight.model.model_id[:16] / f"{item.path.stem}.safetensors"
        states = [one.stat() for one in dict.fromkeys((item.path, shown))]
        mark = " ".join([*(f"{state.st_size} {state.st_mtime_ns}" for state in states), _sources()])
        try:
            with safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("session") == mark:
                    return SeenThings(file.get_tensor("features"), file.get_tensor("under"))
        except (OSError, SafetensorError):
            pass  # not there yet, or cut short: made again
        session = read_session(item.path)
        seen = self._sight.look(session, session if own else read_session(shown))
        features = torch.from_numpy(self._sight.features(seen)).half()
        made = SeenThings(features, torch.from_numpy(seen.under.astype(np.int64)))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        save_file({"features": made.features, "under": made.under}, partial, {"session": mark})
        partial.replace(path)
        return made


@functools.cache
def _sources() -> str:
    """Of what looks at a session: changed code looks again."""
    modules = (height_map, things, moments, pictures, looks, model, inference)
    own = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(own + Path(__file__).read_bytes()).hexdigest()[:16]
