"""From the sound of a contact to what was touched: the model of hearing alone, with everything that it can say."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.special
from numpy.typing import NDArray

from foley_perception.audio.resample import resampled
from foley_synthesis.beliefs.belief import MaterialBelief, unknown_belief
from foley_synthesis.beside import Beside
from foley_synthesis.checkpoint import CONFIG_FILE, CorruptCheckpoint, Vocabulary, shipped
from foley_synthesis.hearing.front_end import bandwidth_hz, log_mel, normalised
from foley_synthesis.hearing.inference import sound_checks
from foley_synthesis.hearing.inference.calibration import HearingCalibration, Stage
from foley_synthesis.hearing.inference.families import Hierarchy
from foley_synthesis.hearing.inference.hearing import HeardFeatures, Hearing, unheard
from foley_synthesis.hearing.inference.onset_search import clearest_onset
from foley_synthesis.hearing.inference.recorded_hearing import RecordedHearing

if TYPE_CHECKING:
    from foley_synthesis.hearing.inference.adaptation import HearingAdaptation
    from foley_synthesis.hearing.model_file import HearingFile
    from foley_synthesis.hearing.output import HearingOutput

SHIPPED = "hearing"  # name of the one that ships
_LEAST_S = 0.05  # of sound from the onset on that says anything
_SEARCHED_HZ, _LEAST_SEARCHED_HZ = 24_000, 8_000  # rates at which an onset is searched


class HearingModel:
    """Material, its families, hardness, density, roughness, hollowness and action from heard audio."""

    vocabulary: Vocabulary
    model_id: str
    domain: str  # what it was trained on: `sim`, or `sim+real`
    card: str  # a page of Markdown; empty where there is none

    def __init__(
        self,
        file: HearingFile,
        *,
        threads: int = 1,
        adaptation: HearingAdaptation | None = None,
        recordings_only: bool = False,
    ) -> None:
        """See :meth:`load`. Raises CorruptCheckpoint: its calibration cannot be read, or the adaptation is foreign."""
        self._file, self._front_end = file, file.front_end
        self._network = file.networks(1)
        self._beside = Beside(threads)
        self._recordings_only = recordings_only or adaptation is not None
        try:
            self._calibration = HearingCalibration.of(file.calibration, file.tensors)
            self._recorded = (
                None if file.recorded is None else RecordedHearing(file.recorded, threads, self._beside)
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            from foley_synthesis.hearing.model_file import CURE

            raise CorruptCheckpoint(file.path / CONFIG_FILE, f"calibration: {error}", CURE) from error
        if self._recorded is not None and self._recordings_only:
            self._calibration = self._recorded.calibration
        self.vocabulary, self.model_id = file.vocabulary, file.model_id
        if adaptation is not None:
            self._calibration = adaptation.applied_to(self._calibration, file.model_id)
            self.vocabulary, self.model_id = adaptation.vocabulary_of(file.vocabulary), adaptation.model_id
        self._tree = Hierarchy.over(self.vocabulary.labels)
        self.domain, self.card = file.domain, file.card

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        threads: int = 1,
        adaptation: str | Path | None = None,
        recordings_only: bool = False,
    ) -> HearingModel:
        """From a folder, or what ships by a name; None: the one that ships. An adaptation's folder opens its base.

        Args:
            adaptation: folder written by `foley train hearing --adapt`, for this model and no other.
            recordings_only: take no contact for one of the simulated world, as an adaptation does.

        Raises:
            CorruptCheckpoint: a file is missing or damaged, or the adaptation is for another model.
        """
        from foley_synthesis.hearing.inference.adaptation import is_adaptation, load_adaptation
        from foley_synthesis.hearing.model_file import load_hearing

        if adaptation is None and path is not None and is_adaptation(Path(path)):
            path, adaptation = None, path
        adapted = None if adaptation is None else load_adaptation(Path(adaptation))
        if path is None:
            path = SHIPPED if adapted is None else adapted.base_at
        file = load_hearing(path)
        return cls(file, threads=threads, adaptation=adapted, recordings_only=recordings_only)

    @property
    def place(self) -> str:
        """Where it was read from: a name that ships, or a folder."""
        names = [name for name, folder in shipped().items() if folder == self._file.path]
        return names[0] if names else str(self._file.path.resolve())

    @property
    def features_id(self) -> str:
        """Of what makes :class:`HeardFeatures`: the model's id, which an adaptation of it leaves as it is."""
        return self._file.model_id

    @property
    def balanced(self) -> bool:
        """Whether materials counted alike in what hears recordings, however often its set has each."""
        return self._recorded is not None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Its calibration for each length of sound, of recordings where it hears them: what taps are judged by."""
        return self._of_taps.stages

    def temperature(self, heard_s: float) -> float:
        """That logits are divided by, of an answer that rests on so much sound after the onset."""
        return self._stage(self._of_taps, heard_s).temperature

    @property
    def _of_taps(self) -> HearingCalibration:
        if self._recordings_only or self._recorded is None:
            return self._calibration
        return self._recorded.calibration

    def warm_up(self) -> None:
        """One throw-away prediction, so that the first real one is as fast as the rest."""
        noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.01
        noise[12_000:] *= 10.0
        self.predict(noise, 48_000, onset_s=0.25)

    def predict(
        self,
        samples: NDArray[np.float32],  # [n] mono, in [-1, 1], holding one contact; 1 s around it is best
        sample_rate: int,
        *,
        onset_s: float | None = None,  # of the contact within `samples`; None: the clearest one is searched
    ) -> MaterialBelief:
        """What :meth:`hear` says of the material. Silence, clipping and doubt lead to `abstain` with a reason.

        Raises:
            ValueError: samples are not one-dimensional or not finite, or the rate is not positive.
        """
        return self.hear(samples, sample_rate, onset_s=onset_s).belief

    def hear(
        self,
        samples: NDArray[np.float32],  # [n] as above
        sample_rate: int,
        *,
        onset_s: float | None = None,
        heard_s: float = math.inf,  # so much of it after the onset is known yet: 0.06, 0.15, 0.5
    ) -> Hearing:
        """Everything. Raises ValueError as :meth:`predict` does."""
        sound_checks.check_samples(samples, sample_rate)
        if silent := sound_checks.silence(samples):
            return self._unheard(silent)
        at = onset_s if onset_s is not None else self._search(samples, sample_rate)
        known_s = min(len(samples) / sample_rate - at, heard_s)
        if known_s < _LEAST_S:
            return self._unheard(f"less than {_LEAST_S:.2f} s of sound from the onset on")
        own = self._beside.begin(lambda: self._own(samples, sample_rate, at, heard_s))
        doubted = self._beside.begin(lambda: _doubts(samples, sample_rate, at, known_s))
        part = self._recorded
        recorded = part.hear(samples, sample_rate, at, heard_s) if part is not None else None
        level, output = own()
        if output is None:
            return self._unheard("nothing but digital silence from the onset on")
        calibration, other = self._calibration, ""
        features = HeardFeatures(output.embedding[0], np.zeros(0, np.float32), level)
        if part is not None and recorded is not None:
            features = dataclasses.replace(features, frozen=recorded.features)
            if self._recordings_only or not recorded.known_world:
                output, other = recorded.output, recorded.no_contact
                calibration = self._calibration if self._recordings_only else part.calibration
        stage = self._stage(calibration, known_s)
        heard = self._hearing(output, calibration, stage, known_s, bandwidth_hz(level, self._front_end))
        heard = dataclasses.replace(heard, features=features)
        if recorded is not None:  # one space for all contacts
            heard = dataclasses.replace(heard, embedding=recorded.output.embedding[0])
        reason = doubted() or other or _no_contact(heard, calibration.least_contact) or _strange(heard, stage)
        return _doubted(heard, stage, reason)

    def _as_trained(self, samples: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.float32], int]:
        """No higher than what its network learned from; other bands would be news to it."""
        highest = int(self._file.facts.get("sound_rate", sample_rate))
        if sample_rate <= highest:
            return samples, sample_rate
        return resampled(samples, sample_rate, highest), highest

    def _search(self, samples: NDArray[np.float32], sample_rate: int) -> float:
        # Never raised: bands in which the file holds nothing would count where an onset is placed.
        rate = min(max(sample_rate, _LEAST_SEARCHED_HZ), _SEARCHED_HZ)
        return clearest_onset(resampled(samples, sample_rate, rate), rate)

    def _own(
        self, samples: NDArray[np.float32], sample_rate: int, onset_s: float, heard_s: float
    ) -> tuple[NDArray[np.float32], HearingOutput | None]:
        """Levels [frames, bands], and what its own network makes of them; nothing of digital silence."""
        sound = self._as_trained(samples, sample_rate)
        level = log_mel(*sound, onset_s, self._front_end, heard_s=heard_s)
        known = np.isfinite(level[self._front_end.before_frames :]).any()
        return level, self._output(level) if known else None

    def _output(self, level: NDArray[np.float32]) -> HearingOutput:
        return self._network(normalised(level, self._front_end)[None])

    def _hearing(
        self,
        output: HearingOutput,
        calibration: HearingCalibration,
        stage: Stage,
        known_s: float,
        bandwidth: float,
    ) -> Hearing:
        """Calibrated, before anything is doubted."""
        logits, embedding = output.logits[0], output.embedding[0]
        p = stage.probabilities(logits, embedding)
        belief = MaterialBelief(
            probabilities=tuple(p.astype(np.float32).tolist()),
            vocabulary=self.vocabulary.labels,
            log10_e_mean=float(output.log10_e_mean[0]),
            log10_e_std=float(output.log10_e_std[0]) * stage.log10_e_scale,
            roughness=float(output.roughness[0]),
            hollowness=float(output.hollowness[0]),
            calibrated_for=calibration.calibrated_for,
        )
        density = float(output.log10_density_mean[0]), float(output.log10_density_std[0])
        action = scipy.special.softmax(output.action_logits[0]).tolist()
        return Hearing(
            belief=belief,
            families=self._tree.families(p),
            material_set=stage.sets.names(p),
            coverage=stage.sets.coverage,
            action=dict(zip(self._file.actions, action, strict=True)),
            log10_density=(density[0], density[1] * stage.log10_density_scale),
            contact=float(scipy.special.expit(output.contact_logit[0])),
            novelty=float(stage.novelty.percentiles(embedding[None], logits[None])[0]),
            embedding=embedding,
            logits=logits,
            heard_s=known_s,
            bandwidth_hz=bandwidth,
        )

    def _stage(self, calibration: HearingCalibration, known_s: float) -> Stage:
        whole = known_s >= self._front_end.after_s
        return calibration.at(math.inf if whole else known_s)

    def _unheard(self, reason: str) -> Hearing:
        labels = self.vocabulary.labels
        uniform = np.full(len(labels), 1.0 / len(labels))
        embedding = self._file.members * self._file.size.embedding
        if self._recorded is not None:
            embedding = self._recorded.embedding
        return unheard(
            unknown_belief(labels, reason),
            self._file.actions,
            embedding,
            families=self._tree.families(uniform),
        )


def _doubts(samples: NDArray[np.float32], sample_rate: int, onset_s: float, known_s: float) -> str:
    """What is wrong with the sound itself."""
    now = samples[: math.ceil((onset_s + known_s) * sample_rate)]
    return sound_checks.clipping(now) or sound_checks.lost_in_background(now, sample_rate, onset_s)


def _doubted(heard: Hearing, stage: Stage, reason: str) -> Hearing:
    """Marked as not to be acted on where there is a reason, or too little confidence."""
    if reason:
        return dataclasses.replace(heard, belief=heard.belief.abstaining(reason))
    if doubt := stage.abstention.why(max(heard.belief.probabilities)):
        unsure = dataclasses.replace(heard.belief, abstain=True, unsure=True, reason=doubt)
        return dataclasses.replace(heard, belief=unsure)
    return heard


def _no_contact(heard: Hearing, least: float) -> str:
    return (
        f"no contact: it sounds like one with probability {heard.contact:.2f}"
        if heard.contact < least
        else ""
    )


def _strange(heard: Hearing, stage: Stage) -> str:
    if heard.novelty <= stage.novelty.threshold:
        return ""
    return f"unlike anything heard before: more so than {heard.novelty:.1f} % of contacts that are known"
