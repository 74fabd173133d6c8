"""Everything that is measured of models of hearing, stage by stage; what was heard once is kept and not heard again."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_synthesis.evaluation.hearing import adaptation, baselines, honesty
from foley_synthesis.evaluation.hearing.answers import Answers, Hears, ask, has_stages
from foley_synthesis.evaluation.hearing.baselines import Features, classes_of
from foley_synthesis.evaluation.hearing.choices import restricted
from foley_synthesis.evaluation.hearing.no_contact import made_sounds
from foley_synthesis.evaluation.hearing.real import ASKED, RealTable, present, real_table, rows_of
from foley_synthesis.evaluation.hearing.simulated import SimulatedTable, simulated_table
from foley_synthesis.evaluation.hearing.sounds import (
    Sound,
    digest,
    grouped,
    read_contacts,
    read_recordings,
)
from foley_synthesis.evaluation.windows.kept import kept, key_of
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.adapt import adapt
from foley_synthesis.hearing.inference.variants import THRESHOLD, fingerprint, variant_groups

STAGES_S = (0.06, 0.15, 0.5, math.inf)
"""So much of a contact is heard at the first estimate, when it is refined, and in the end."""

MEAN = "mean over sources"
SVM = "MFCC + SVM, of the simulation"
AISFX, MFCC = "aiSFX + LR, of other real sources", "MFCC + LR, of other real sources"
AISFX_TAPS, MFCC_TAPS = "aiSFX + LR, of the same taps", "MFCC + LR, of the same taps"

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class HearingTableConfig:
    """What is asked. Raises ValueError where a number cannot work."""

    replicates: int = 1000
    seed: int = 0
    no_contacts: int = 30  # of each kind
    train_clips: int = 4000  # of the generated set, for MFCC + SVM
    validation_clips: int = 1300  # of each generated set that is asked about
    draws: int = adaptation.DRAWS

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name != "seed" and getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}, must be at least 1")


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """All tables, by what they are of."""

    real: RealTable
    wide: RealTable | None  # over all materials that the recordings have; None: they are those that are asked
    honesty: dict[str, Any]
    stages: dict[str, Any]
    adaptation: dict[str, Any]
    simulated: dict[str, SimulatedTable]
    latency: dict[str, Any]
    notes: tuple[str, ...]
    seconds: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "real": self.real.to_dict(),
            "real_wide": None if self.wide is None else self.wide.to_dict(),
            "honesty": self.honesty,
            "stages": self.stages,
            "adaptation": self.adaptation,
            "simulated": {name: table.to_dict() for name, table in self.simulated.items()},
            "latency": self.latency,
            "notes": list(self.notes),
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }


class HearingTable:
    """Measures models; every stage says how far it is."""

    def __init__(
        self,
        models: Mapping[str, Hears],
        folder: Path,
        config: HearingTableConfig | None = None,
        progress: Progress = lambda stage, done, total: None,
    ) -> None:
        self.models, self.config = dict(models), config or HearingTableConfig()
        self._kept = folder
        self._progress = progress
        self._notes: list[str] = []
        self._seconds: dict[str, float] = {}

    def measure(
        self,
        real: Path,
        *,
        sessions: Mapping[str, Path] | None = None,
        train: Path | None = None,
        validation: Mapping[str, Path] | None = None,
    ) -> Findings:
        """All of it.

        Args:
            real: folder of recordings with labels.csv.
            sessions: name -> set of sessions, of scenes that no model was trained in.
            train: a generated set, for the simple method that learns from simulation.
            validation: name -> generated set that no model was trained on.

        Raises:
            SoundsError, SessionsError: a folder cannot be used.
        """
        sounds = self._timed("reading", lambda: read_recordings(real, self._stage("recordings")))
        sounds = self._timed("variants", lambda: self._grouped(sounds))
        heard = {name: self._ask(name, model, sounds, "recordings") for name, model in self.models.items()}
        features = self._features(sounds, "recordings")
        asked = rows_of(sounds, ASKED)
        simple = self._simple(sounds, asked, features, train, ASKED)
        table = self._real(sounds, asked, ASKED, heard, simple)
        materials = present(sounds)
        wide = None
        if set(materials) - set(ASKED):
            rows = rows_of(sounds, materials)
            wide = self._real(
                sounds, rows, materials, heard, self._simple(sounds, rows, features, train, materials)
            )
        return Findings(
            real=table,
            wide=wide,
            honesty=self._timed("honesty", lambda: self._honesty(sounds, heard)),
            stages=self._stages(sounds, asked, heard),
            adaptation=self._timed("adaptation", lambda: self._adaptation(sounds, heard, features)),
            simulated={
                **{name: self._sessions(name, path, train) for name, path in (sessions or {}).items()},
                **{name: self._generated(name, path) for name, path in (validation or {}).items()},
            },
            latency=_latency(heard),
            notes=tuple(self._notes),
            seconds=self._seconds,
        )

    def _stage(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self._progress(name, done, total)

    def _timed(self, stage: str, find: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        found = find()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - begun
        return found

    def _grouped(self, sounds: Sequence[Sound]) -> list[Sound]:
        """Variants of one recording in one group."""
        key = key_of("variants", THRESHOLD, digest(sounds))
        found = kept(
            self._kept / f"{key[:24]}.json", key, lambda: {"groups": self._variants(sounds)}, resume=True
        )
        groups = np.asarray(found["groups"])
        sources: dict[int, set[str]] = {}
        labels: dict[int, set[str]] = {}
        for sound, group in zip(sounds, groups.tolist(), strict=True):
            sources.setdefault(group, set()).add(sound.scene)
            labels.setdefault(group, set()).add(sound.label)
        self._notes.append(f"{len(sounds)} files are {len(sources)} recordings, variants of one taken as one")
        if shared := sum(len(names) > 1 for names in sources.values()):
            self._notes.append(
                f"{shared} recordings are in more than one source, so that leaving one out is no proof"
            )
        if odd := sorted({s.label for s in sounds if s.material < 0 and not s.outside}):
            self._notes.append(f"left out, as nobody has said which material they are: {', '.join(odd)}")
        if mixed := sum(len(names) > 1 for names in labels.values()):
            self._notes.append(f"{mixed} recordings are there under more than one label")
        return grouped(sounds, groups.tolist())

    def _variants(self, sounds: Sequence[Sound]) -> list[int]:
        self._kept.mkdir(parents=True, exist_ok=True)
        return variant_groups([fingerprint(sound.samples, sound.rate) for sound in sounds]).tolist()

    def _ask(
        self, name: str, model: Hears, sounds: Sequence[Sound], what: str, heard_s: float = math.inf
    ) -> Answers:
        stage = f"{name}: {what}"
        return self._timed(
            stage, lambda: ask(model, sounds, self._kept, heard_s=heard_s, progress=self._stage(stage))
        )

    def _features(self, sounds: Sequence[Sound], what: str) -> dict[str, Features]:
        """Of the simple methods: `mfcc`, and `aisfx` where its weights are."""
        from foley_synthesis.metrics.perceptual import JudgeMissing

        found = {}
        for make in (baselines.mfcc, baselines.aisfx):
            name = make.__name__
            try:
                stage = f"{name}: {what}"
                found[name] = self._timed(
                    stage,
                    lambda make=make, stage=stage: baselines.kept_features(
                        make, sounds, self._kept, self._stage(stage)
                    ),
                )
            except JudgeMissing as error:
                self._notes.append(f"without aiSFX: {error}")
        return found

    def _simple(
        self,
        sounds: Sequence[Sound],
        rows: NDArray[np.int64],
        features: Mapping[str, Features],
        train: Path | None,
        materials: Sequence[str],
    ) -> dict[str, NDArray[np.float64]]:
        """Method -> probabilities [rows, materials]."""
        truth = classes_of(sounds, materials)[rows]
        sources = [sounds[k].scene for k in rows]
        found: dict[str, NDArray[np.float64]] = {}
        if train is not None:
            found[SVM] = self._timed(SVM, lambda: self._svm(train, features["mfcc"][rows], materials))
        for title, key in ((MFCC, "mfcc"), (AISFX, "aisfx")):
            if key in features:
                x = features[key][rows]
                found[title] = self._timed(
                    title, lambda x=x: baselines.left_out(x, truth, sources, len(materials))
                )
        return found

    def _svm(self, train: Path, query: Features, materials: Sequence[str]) -> NDArray[np.float64]:
        clips = baselines.generated_sounds(train, materials, self.config.train_clips)
        x = baselines.kept_features(baselines.mfcc, clips, self._kept, self._stage("mfcc: training set"))
        return baselines.support_vectors(x, classes_of(clips, materials), query, len(materials))

    def _real(
        self,
        sounds: Sequence[Sound],
        rows: NDArray[np.int64],
        materials: Sequence[str],
        heard: Mapping[str, Answers],
        simple: Mapping[str, NDArray[np.float64]],
    ) -> RealTable:
        narrow = {
            name: restricted(found.p[rows], materials, prior_of(self.models[name]))
            for name, found in heard.items()
        }
        return self._timed(
            "intervals",
            lambda: real_table(
                [sounds[k] for k in rows], materials, {**simple, **narrow}, meant=tuple(narrow),
                replicates=self.config.replicates, seed=self.config.seed,
            ),
        )  # fmt: skip

    def _honesty(self, sounds: Sequence[Sound], heard: Mapping[str, Answers]) -> dict[str, Any]:
        made = made_sounds(self.config.no_contacts, self.config.seed)
        others = np.array([k for k, sound in enumerate(sounds) if sound.outside], np.int64)
        found: dict[str, Any] = {"contacts": {}, "no_contact": {}, "other_materials": {}}
        for name, answers in heard.items():
            model = self.models[name]
            found["contacts"][name] = honesty.on_contacts(sounds, answers, ASKED, prior_of(model))
            of_made = self._ask(name, model, made, "no contact")
            found["no_contact"][name] = honesty.on_others(made, of_made)
            if len(others):
                found["other_materials"][name] = honesty.on_others(
                    [sounds[k] for k in others], answers.of(others)
                )
        return found

    def _stages(
        self, sounds: Sequence[Sound], rows: NDArray[np.int64], heard: Mapping[str, Answers]
    ) -> dict[str, Any]:
        """Balanced accuracy after so much was heard, of the models that give first estimates."""
        asked = [sounds[k] for k in rows]
        found: dict[str, Any] = {}
        for name, model in self.models.items():
            for stage_s in STAGES_S if has_stages(model) else ():
                whole = math.isinf(stage_s)
                answers = (
                    heard[name].of(rows)
                    if whole
                    else self._ask(name, model, asked, f"{stage_s:g} s heard", stage_s)
                )
                p = restricted(answers.p, ASKED, prior_of(model))
                table = real_table(
                    asked, ASKED, {name: p}, replicates=self.config.replicates, seed=self.config.seed
                )
                figures = table.pooled.figures()[name]
                found.setdefault(name, {})["all" if whole else f"{stage_s:g}"] = {
                    **figures,
                    "answers": honesty.share(~answers.abstain),
                    "milliseconds": _milliseconds(answers),
                }
        return found

    def _adaptation(
        self, sounds: Sequence[Sound], heard: Mapping[str, Answers], features: Mapping[str, Features]
    ) -> dict[str, Any]:
        truth = classes_of(sounds, ASKED)
        found: dict[str, Any] = {}
        every: list[dict[str, adaptation.Curve]] = []
        sources = list(dict.fromkeys(sound.scene for sound in sounds))
        for done, source in enumerate(sources, start=1):
            draws = adaptation.draws_of(sounds, ASKED, source, draws=self.config.draws, seed=self.config.seed)
            if not draws:
                continue
            curves: dict[str, Any] = {}
            adopted: dict[str, float] = {}
            for name, answers in heard.items():
                prior = prior_of(self.models[name])
                p = restricted(answers.p, ASKED, prior)
                way = Adapted(answers, sounds, prior, self.models[name].model_id)
                curves[name] = adaptation.curve(draws, truth, len(ASKED), way, p)
                adopted[name] = way.adopted / max(way.asked, 1)
            for title, key in ((MFCC_TAPS, "mfcc"), (AISFX_TAPS, "aisfx")):
                if key in features:
                    curves[title] = adaptation.curve(
                        draws, truth, len(ASKED), _by_logistic(features[key], truth), None
                    )
            found[source] = {
                "chance": adaptation.chance_of(draws),
                "draws": len(draws),
                "judged": float(np.mean([len(draw.judged) for draw in draws])),
                "materials": sorted({ASKED[k] for draw in draws for k in draw.taps}),
                "adopted": adopted,
                "methods": {name: curve.to_dict() for name, curve in curves.items() if curve is not None},
            }
            every.append({name: curve for name, curve in curves.items() if curve is not None})
            self._progress("adaptation", done, len(sources))
        if len(every) > 1:
            found[MEAN] = adaptation.mean_over(found, every)
        return found

    def _sessions(self, name: str, path: Path, train: Path | None) -> SimulatedTable:
        sounds = self._timed("reading", lambda: read_contacts(path, self._stage(f"{name}: sessions")))
        simple: dict[str, NDArray[np.float64]] = {}
        if train is not None:
            query = self._timed(
                f"mfcc: {name}",
                lambda: baselines.kept_features(
                    baselines.mfcc, sounds, self._kept, self._stage(f"mfcc: {name}")
                ),
            )
            simple[SVM] = self._timed(SVM, lambda: self._svm(train, query, MATERIALS))
        return self._simulated(name, sounds, simple)

    def _generated(self, name: str, path: Path) -> SimulatedTable:
        sounds = baselines.generated_sounds(path, MATERIALS, self.config.validation_clips)
        return self._simulated(name, sounds, {})

    def _simulated(
        self, name: str, sounds: Sequence[Sound], simple: Mapping[str, NDArray[np.float64]]
    ) -> SimulatedTable:
        answers = {key: self._ask(key, model, sounds, name) for key, model in self.models.items()}
        words = {key: model.vocabulary.labels for key, model in self.models.items()}
        return self._timed(
            "intervals",
            lambda: simulated_table(
                sounds, answers, simple, words, replicates=self.config.replicates, seed=self.config.seed
            ),
        )


def prior_of(model: Hears) -> NDArray[np.float64] | None:
    """Of its training over the 13 materials, where the model says it; None: they counted alike."""
    prior = getattr(model, "prior", None)
    if prior is None:
        return None
    found = np.zeros(len(MATERIALS))
    found[[MATERIALS.index(name) for name in model.vocabulary.labels]] = prior
    return found


class Adapted:
    """A model adapted to taps in closed form; as it is where that is refused."""

    def __init__(
        self, answers: Answers, sounds: Sequence[Sound], prior: NDArray[np.float64] | None, model_id: str
    ) -> None:
        self.asked, self.adopted = 0, 0  # how often
        self._answers, self._prior, self._model_id = answers, prior, model_id
        self._groups = [sound.group for sound in sounds]
        self._labels = [
            MATERIALS[sound.material] for sound in sounds
        ]  # of those that are told: of a material
        self._logits = np.log(np.maximum(answers.p, 1e-6))
        self._embedding = self._logits if answers.embedding is None else answers.embedding

    def __call__(self, told: adaptation.Rows, asked: adaptation.Rows) -> NDArray[np.float64]:
        """Probabilities [asked, ASKED]."""
        fitted, _ = adapt(
            self._logits[told], self._embedding[told], [self._labels[k] for k in told],
            [self._groups[k] for k in told], MATERIALS, model_id=self._model_id,
        )  # fmt: skip
        self.asked += 1
        if fitted is None:
            return restricted(self._answers.p[asked], ASKED, self._prior)
        self.adopted += 1
        # Fitted where all materials were told equally often: no prior is to be taken out.
        return restricted(fitted.probabilities(self._logits[asked], self._embedding[asked]), ASKED)


def _by_logistic(x: Features, truth: NDArray[np.int64]) -> adaptation.Adapt:
    return lambda told, asked: baselines.probabilities(
        x[told], truth[told], x[asked], len(ASKED), baselines.FEW_STRENGTH
    )


def _milliseconds(answers: Answers) -> dict[str, float]:
    spent = 1e3 * answers.seconds
    return {"median": round(float(np.median(spent)), 2), "p95": round(float(np.percentile(spent, 95)), 2)}


def _latency(heard: Mapping[str, Answers]) -> dict[str, Any]:
    """Milliseconds of one answer about a recording as long as it is, on the machine where it was asked."""
    return {name: _milliseconds(answers) for name, answers in heard.items()}
