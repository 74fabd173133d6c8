"""What is compared: trained regressions and the exemplars that they choose, and what knows less or more."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray

from foley_perception.clips.grid import ONSET_FRAME
from foley_synthesis.evaluation.measure import Method, fixed
from foley_synthesis.evaluation.sound_metrics import REAL, SoundOutput
from foley_synthesis.metrics.classification import balanced_accuracy
from foley_synthesis.metrics.cochleagram import Frames, moved
from foley_synthesis.vis.networks.decoding import DecodedSounds, amplified, decode_sounds, level_match_db
from foley_synthesis.vis.networks.onset_net import motion_summary
from foley_synthesis.vis.networks.pca import Pca
from foley_synthesis.vis.networks.sound_net import VisNet
from foley_synthesis.vis.synthesis.search import L1Index
from foley_synthesis.vis.training.batches import Tensors
from foley_synthesis.vis.training.features import FeatureSet
from foley_synthesis.vis.training.sound_only import planned_sounds

_BEFORE, _AFTER = 5, 54  # frames around the onset in which keys are compared, as the live synthesizer does
_BEGIN = int(ONSET_FRAME) - _BEFORE
Rows = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """One training of a recipe."""

    net: VisNet
    pca: Pca
    tensors: Tensors
    features: FeatureSet
    bank: Rows  # exemplars

    def sounds(self, rows: Rows) -> DecodedSounds:
        """The regression's sounds of contacts, from their plans."""
        said = planned_sounds(self.net, self.tensors, torch.from_numpy(rows))
        return decode_sounds(said, self.pca, self.net.background)

    def heard(self, rows: Rows) -> dict[str, float] | None:
        """Whether an onset will be heard, as the head says and as it was; None where there is no such head."""
        onset = planned_sounds(self.net, self.tensors, torch.from_numpy(rows)).onset
        if onset is None or self.tensors.onset is None:
            return None
        real = self.tensors.onset.lag_s[torch.from_numpy(rows)].isfinite().numpy()
        said = onset.present.sigmoid().numpy()
        return {
            "said": round(float(said.mean()), 5),
            "real": round(float(real.mean()), 5),
            "balanced_accuracy": round(
                balanced_accuracy(real.astype(np.int64), (said > 0.5).astype(int), 2), 5
            ),
            "brier": round(float(np.square(said - real).mean()), 5),
            "brier_of_the_share": round(float(real.mean() * (1.0 - real.mean())), 5),
        }

    def played(self, made: DecodedSounds) -> Frames:
        """The real sounds that the keys find, moved to the onset and brought to the level."""
        assert self.features.aligned is not None
        bank = self.sounds(self.bank)
        index = L1Index(bank.keys[:, _BEGIN : _BEGIN + _BEFORE + _AFTER])
        nominal = ONSET_FRAME if made.aligned else int(ONSET_FRAME)
        shift = np.round(made.onset - nominal).astype(np.int64)
        source = _BEGIN + np.arange(_BEFORE + _AFTER)[None] + (0 if made.aligned else shift[:, None])
        source = np.broadcast_to(source, (len(made.keys), _BEFORE + _AFTER)).clip(0, made.keys.shape[1] - 1)
        found, _ = index.nearest(made.keys[np.arange(len(made.keys))[:, None], source])
        chosen = self.bank[found]
        frames = (self.features.aligned.frames if made.aligned else self.features.cochleagram)[chosen]
        return moved(amplified(frames, level_match_db(made, frames)), shift)


def trained_methods(name: str, trainings: list[Trained], rows: Rows) -> list[Method]:
    """Regression and example of a recipe, each with all its seeds."""
    sounds = [(one, one.sounds(rows)) for one in trainings]
    return [
        fixed(f"{name}, regression", "plan", [SoundOutput(made.frames) for _, made in sounds]),
        fixed(f"{name}, example", "plan", [SoundOutput(one.played(made)) for one, made in sounds]),
    ]


def simple_methods(
    features: FeatureSet, tensors: Tensors, train: Rows, rows: Rows, late: NDArray[np.int64], seed: int
) -> list[Method]:
    """The truth, what is done to it, and what has learned nothing of the motion.

    Args:
        late: frames [n] by which the contacts come after their plans.
    """
    real, bank = features.cochleagram[rows], features.cochleagram[train]
    truth = moved(real, late)
    drawn = np.random.default_rng(seed).integers(len(train), size=len(rows))
    with torch.no_grad():
        told = [motion_summary(tensors.planned[torch.from_numpy(r)]).numpy() for r in (train, rows)]
    centre, size = told[0].mean(axis=0), told[0].std(axis=0) + 1e-3
    near, _ = L1Index((told[0] - centre) / size).nearest((told[1] - centre) / size)
    made: list[Method] = []
    for key, given, frames in (
        (REAL, "truth", truth),
        ("real sound, when it was planned", "truth", real),
        ("real sound, 50 ms late", "truth", moved(truth, 5)),
        ("nearest plan's sound", "plan", bank[near]),
        ("random", "nothing", bank[drawn]),
        ("training mean", "nothing", np.broadcast_to(bank.mean(axis=0), real.shape).astype(np.float32)),
    ):
        made.append(fixed(key, given, [SoundOutput(frames)]))  # type: ignore[arg-type]
    return made
