"""Models of windows by the schema of their checkpoints."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, schema_of
from foley_synthesis.flow.window_model import EvaluationWindow, WindowModel

_CURE = "name a folder that `foley flow fit`, `reflow`, `regress` or `foley train` wrote"
_LOADERS: dict[str, str] = {
    "foley-contact-flow-2": "foley_synthesis.flow.contact.model",
    "foley-regression-1": "foley_synthesis.flow.regression.window_model",
    "foley-vis-1": "foley_synthesis.evaluation.windows.vis_windows",
}
"""Schema -> module with ``load_window_model(folder: Path) -> WindowModel``, imported only where it is needed."""


def load_window_model(folder: Path) -> WindowModel:
    """The model of a checkpoint.

    Raises:
        CorruptCheckpoint: a file is missing or damaged, or no model of windows has this schema.
    """
    schema = schema_of(folder, _CURE)
    if schema not in _LOADERS:
        known = " or ".join(f"`{name}`" for name in _LOADERS)
        raise CorruptCheckpoint(
            folder / CONFIG_FILE,
            f"schema is `{schema}`, a model of windows has {known}",
            _CURE,
        )
    model: WindowModel = importlib.import_module(_LOADERS[schema]).load_window_model(folder)
    return model


def check_seen(name: str, model: WindowModel, windows: Sequence[EvaluationWindow]) -> None:
    """Raises ValueError where a model was not trained in a scene that is asked about."""
    other = {window.scene_id for window in windows} - model.train_scenes
    if other:
        raise ValueError(
            f"{name} was not trained in {len(other)} of the scenes that are asked about, such as {sorted(other)[0]}"
        )


def check_unseen(name: str, model: WindowModel, windows: Sequence[EvaluationWindow]) -> None:
    """Raises ValueError where a model was trained in a scene that is asked about."""
    shared = model.train_scenes & {window.scene_id for window in windows}
    if shared:
        raise ValueError(
            f"{name} was trained in {len(shared)} of the scenes that are asked about, such as {sorted(shared)[0]}"
        )
