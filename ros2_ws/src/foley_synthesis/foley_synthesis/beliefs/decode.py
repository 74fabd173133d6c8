"""From the output of a head to a calibrated belief."""

from __future__ import annotations

import numpy as np

from foley_synthesis.beliefs.belief import MaterialBelief, entropy_of
from foley_synthesis.beliefs.calibration import Calibration, softmax
from foley_synthesis.beliefs.head_output import HeadOutput


def belief_of(output: HeadOutput, calibration: Calibration, vocabulary: tuple[str, ...]) -> MaterialBelief:
    """The first row of a head's output, calibrated; it abstains above the entropy threshold."""
    probabilities = softmax(np.asarray(output.logits[0]), calibration.temperature)
    entropy = entropy_of(probabilities)
    unsure = entropy > calibration.entropy_threshold
    return MaterialBelief(
        probabilities=tuple(probabilities.astype(np.float32).tolist()),
        vocabulary=vocabulary,
        log10_e_mean=float(output.log10_e_mean[0]),
        log10_e_std=float(output.log10_e_std[0]) * calibration.std_scale,
        roughness=float(output.roughness[0]),
        hollowness=float(output.hollowness[0]),
        abstain=unsure,
        unsure=unsure,
        calibrated_for=calibration.calibrated_for,
        reason=f"entropy {entropy:.2f} nat is above {calibration.entropy_threshold:.2f}" if unsure else "",
    )
