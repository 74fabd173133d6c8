"""Everything that is measured of models of hearing; what was heard once is kept and not heard again."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foley_synthesis.evaluation.hearing import adaptation, baselines, honesty
from foley_synthesis.evaluation.hearing.answers import Answers, has_stages
from foley_synthesis.evaluation.hearing.baselines import Features, classes_of
from foley_synthesis.evaluation.hearing.choices import restricted
from foley_synthesis.evaluation.hearing.no_contact import made_sounds
from foley_synthesis.evaluation.hearing.real import ASKED, RealTable, present, real_table, rows_of
from foley_synthesis.evaluation.hearing.simulated import SimulatedTable, simulated_table
from foley_synthesis.evaluation.hearing.sounds import Sound, read_contacts
from foley_synthesis.evaluation.hearing.tapped import adaptations
from foley_synthesis.evaluation.hearing.work import Progress, Work
from foley_synthesis.evaluation.measure import Array
from foley_synthesis.flow.what import MATERIALS
from foley_synthesis.hearing.inference.opened import HearsMaterial

STAGES_S = (0.06, 0.15, 0.5, math.inf)
"""So much of a contact is heard at the first estimate, when it is refined, and in the end."""

SVM = "MFCC + SVM, of the simulation"


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
        models: Mapping[str, HearsMaterial],
        folder: Path,
        config: HearingTableConfig | None = None,
        progress: Progress = lambda stage, done, total: None,
    ) -> None:
        self.models, self.config = dict(models), config or HearingTableConfig()
        self._work = Work(folder, progress)
        self._priors: dict[str, Array] = {}

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
            train: the generated set that models of hearing learned from, or one like it: how often each material was
                there is taken out of what they say, and the simple method learns from it.
            validation: name -> generated set that no model was trained on.

        Raises:
            SoundsError, SessionsError, SetError: a folder cannot be used.
        """
        work, config = self._work, self.config
        if train is not None:
            prior = baselines.shares_of(train)
            self._priors = {
                name: prior
                for name, model in self.models.items()
                if has_stages(model) and not getattr(model, "balanced", False)
            }
        sounds = work.recordings(real)
        heard = {name: work.ask(name, model, sounds, "recordings") for name, model in self.models.items()}
        features = work.features(sounds, "recordings")
        every = present(sounds)
        return Findings(
            real=self._real(sounds, ASKED, heard, features, train),
            wide=self._real(sounds, every, heard, features, train) if set(every) - set(ASKED) else None,
            honesty=work.timed("honesty", lambda: self._honesty(sounds, heard)),
            stages=self._stages(sounds, heard),
            adaptation=work.timed(
                "adaptation",
                lambda: adaptations(
                    sounds, self.models, heard, features, ASKED, priors=self._priors, draws=config.draws,
                    seed=config.seed, progress=work.stage("adaptation"),
                ),
            ),
            simulated={
                **{name: self._sessions(name, path, train) for name, path in (sessions or {}).items()},
                **{name: self._generated(name, path) for name, path in (validation or {}).items()},
            },
            latency={name: _milliseconds(answers) for name, answers in heard.items()},
            notes=tuple(work.notes),
            seconds=work.seconds,
        )  # fmt: skip

    def _real(
        self,
        sounds: Sequence[Sound],
        materials: Sequence[str],
        heard: Mapping[str, Answers],
        features: Mapping[str, Features],
        train: Path | None,
    ) -> RealTable:
        rows = rows_of(sounds, materials)
        asked = [sounds[k] for k in rows]
        truth, sources = classes_of(asked, materials), [sound.scene for sound in asked]
        said: dict[str, Array] = {}
        if train is not None:
            said[SVM] = self._svm(train, features["MFCC"][rows], materials)
        for name, x in features.items():
            title = f"{name} + LR, of other real sources"
            said[title] = self._work.timed(
                title, functools.partial(baselines.left_out, x[rows], truth, sources, len(materials))
            )
        for name, found in heard.items():
            said[name] = restricted(found.p[rows], materials, self._priors.get(name))
        return self._work.timed(
            "intervals",
            lambda: real_table(
                asked, materials, said, meant=tuple(heard), replicates=self.config.replicates, seed=self.config.seed
            ),
        )  # fmt: skip

    def _svm(self, train: Path, query: Features, materials: Sequence[str]) -> Array:
        clips = baselines.generated_sounds(train, materials, self.config.train_clips)
        x, y = self._work.mfcc(clips, "training set"), classes_of(clips, materials)
        return self._work.timed(SVM, lambda: baselines.support_vectors(x, y, query, len(materials)))

    def _honesty(self, sounds: Sequence[Sound], heard: Mapping[str, Answers]) -> dict[str, Any]:
        made = made_sounds(self.config.no_contacts, self.config.seed)
        others = np.array([k for k, sound in enumerate(sounds) if sound.outside], np.int64)
        found: dict[str, Any] = {"contacts": {}, "no_contact": {}, "other_materials": {}}
        for name, answers in heard.items():
            model = self.models[name]
            found["contacts"][name] = honesty.on_contacts(sounds, answers, ASKED, self._priors.get(name))
            of_made = self._work.ask(name, model, made, "no contact")
            found["no_contact"][name] = honesty.on_others(made, of_made)
            if len(others):
                found["other_materials"][name] = honesty.on_others(
                    [sounds[k] for k in others], answers.of(others)
                )
        return found

    def _stages(self, sounds: Sequence[Sound], heard: Mapping[str, Answers]) -> dict[str, Any]:
        """Balanced accuracy after so much was heard, of the models that give first estimates."""
        rows = rows_of(sounds, ASKED)
        asked = [sounds[k] for k in rows]
        found: dict[str, Any] = {}
        for name, model in self.models.items():
            for stage_s in STAGES_S if has_stages(model) else ():
                if math.isinf(stage_s):
                    answers = heard[name].of(rows)
                else:
                    answers = self._work.ask(name, model, asked, f"{stage_s:g} s heard", stage_s)
                p = restricted(answers.p, ASKED, self._priors.get(name))
                table = real_table(
                    asked, ASKED, {name: p}, replicates=self.config.replicates, seed=self.config.seed
                )
                found.setdefault(name, {})["all" if math.isinf(stage_s) else f"{stage_s:g}"] = {
                    **table.pooled.figures()[name],
                    "answers": honesty.share(~answers.abstain),
                    "milliseconds": _milliseconds(answers),
                }
        return found

    def _sessions(self, name: str, path: Path, train: Path | None) -> SimulatedTable:
        sounds = self._work.timed(
            "reading", lambda: read_contacts(path, self._work.stage(f"{name}: sessions"))
        )
        simple: dict[str, Array] = {}
        if train is not None:
            simple[SVM] = self._svm(train, self._work.mfcc(sounds, name), MATERIALS)
        return self._simulated(name, sounds, simple)

    def _generated(self, name: str, path: Path) -> SimulatedTable:
        sounds = baselines.generated_sounds(path, MATERIALS, self.config.validation_clips)
        return self._simulated(name, sounds, {})

    def _simulated(self, name: str, sounds: Sequence[Sound], simple: Mapping[str, Array]) -> SimulatedTable:
        answers = {key: self._work.ask(key, model, sounds, name) for key, model in self.models.items()}
        words = {key: model.vocabulary.labels for key, model in self.models.items()}
        return self._work.timed(
            "intervals",
            lambda: simulated_table(
                sounds, answers, simple, words, replicates=self.config.replicates, seed=self.config.seed
            ),
        )


def _milliseconds(answers: Answers) -> dict[str, float]:
    """Of one answer, on the machine where it was asked."""
    spent = 1e3 * answers.seconds
    return {"median": round(float(np.median(spent)), 2), "p95": round(float(np.percentile(spent, 95)), 2)}
