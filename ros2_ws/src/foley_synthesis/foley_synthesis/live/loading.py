"""Cores from a configuration and a checkpoint."""

from __future__ import annotations

from pathlib import Path

from foley_synthesis.beliefs import predicates
from foley_synthesis.checkpoint import Checkpoint
from foley_synthesis.live.config import MaterialConfig
from foley_synthesis.live.material_core import HearsMaterial, MaterialCore
from foley_synthesis.metrics.surprise import calibration_of


def make_material_core(model: HearsMaterial, content: Checkpoint, config: MaterialConfig) -> MaterialCore:
    """Raises VocabularyError where the predicates file is refused, OSError where it cannot be read."""
    labels = content.vocabulary.labels
    file = Path(config.predicates_file).expanduser() if config.predicates_file else predicates.default_path()
    return MaterialCore(
        model,
        labels,
        predicates.load(file, labels),
        fusion=config.fusion_config(),
        calibration=calibration_of(content.metrics),
        surprise_level=config.surprise_level,
        same_object_radius_m=config.same_object_radius_m,
    )
