"""How far a long table is and what it has found so far: every step is timed, and what was heard is kept in files."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from foley_synthesis.evaluation.hearing import baselines
from foley_synthesis.evaluation.hearing.answers import Answers, ask
from foley_synthesis.evaluation.hearing.baselines import Features
from foley_synthesis.evaluation.hearing.sounds import Sound, digest, grouped, read_recordings
from foley_synthesis.evaluation.windows.kept import kept, key_of
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.hearing.inference.variants import THRESHOLD, fingerprint, variant_groups

Progress = Callable[[str, int, int], None]
T = TypeVar("T")


class Work:
    """Steps that take their time."""

    def __init__(self, folder: Path, progress: Progress = lambda stage, done, total: None) -> None:
        self.notes: list[str] = []
        self.seconds: dict[str, float] = {}  # by step
        self._folder, self._progress = folder, progress

    def stage(self, name: str) -> Callable[[int, int], None]:
        """What a step calls with how much is done, of how much."""
        return lambda done, total: self._progress(name, done, total)

    def timed(self, step: str, find: Callable[[], T]) -> T:
        """What is found."""
        begun = time.monotonic()
        found = find()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.monotonic() - begun
        return found

    def ask(
        self, name: str, model: HearsMaterial, sounds: Sequence[Sound], what: str, heard_s: float = math.inf
    ) -> Answers:
        """What a model says of sounds, see `answers.ask`."""
        step = f"{name}: {what}"
        return self.timed(
            step, lambda: ask(model, sounds, self._folder, heard_s=heard_s, progress=self.stage(step))
        )

    def mfcc(self, sounds: Sequence[Sound], what: str) -> Features:
        """Of sounds [n, d]."""
        step = f"MFCC: {what}"
        return self.timed(
            step, lambda: baselines.kept_features(baselines.mfcc, sounds, self._folder, self.stage(step))
        )

    def features(self, sounds: Sequence[Sound], what: str) -> dict[str, Features]:
        """Of the simple methods: `MFCC`, and embeddings whose weights are there; a note of those that are not."""
        from foley_synthesis.hearing.frozen import FrozenMissing
        from foley_synthesis.metrics.perceptual import JudgeMissing

        found = {"MFCC": self.mfcc(sounds, what)}
        for name, make in (("YAMNet", baselines.yamnet), ("aiSFX", baselines.aisfx)):
            step = f"{name}: {what}"
            keep = functools.partial(baselines.kept_features, make, sounds, self._folder, self.stage(step))
            try:
                found[name] = self.timed(step, keep)
            except (FrozenMissing, JudgeMissing) as error:
                self.notes.append(f"without {name}: {error}")
        return found

    def recordings(self, folder: Path) -> list[Sound]:
        """Real ones, variants of one recording in one group; notes of what is odd about them.

        Raises:
            SoundsError: the folder cannot be used.
        """
        sounds = self.timed("reading", lambda: read_recordings(folder, self.stage("recordings")))
        groups = self.timed("variants", lambda: self._groups(sounds))
        sources: dict[int, set[str]] = {}
        labels: dict[int, set[str]] = {}
        for sound, group in zip(sounds, groups, strict=True):
            sources.setdefault(group, set()).add(sound.scene)
            labels.setdefault(group, set()).add(sound.label)
        shared, mixed = (sum(len(names) > 1 for names in of.values()) for of in (sources, labels))
        self.notes.append(f"{len(sounds)} files are {len(sources)} recordings, variants of one taken as one")
        if shared:
            self.notes.append(f"in more than one source, so that leaving one out is no proof: {shared}")
        if mixed:
            self.notes.append(f"under more than one label, of which one at most is true: {mixed}")
        if odd := sorted({s.label for s in sounds if s.material < 0 and not s.outside}):
            self.notes.append(f"left out, as nobody has said which material they are: {', '.join(odd)}")
        return grouped(sounds, groups)

    def _groups(self, sounds: Sequence[Sound]) -> list[int]:
        def find() -> dict[str, list[int]]:
            prints = [fingerprint(sound.samples, sound.rate) for sound in sounds]
            return {"groups": variant_groups(prints).tolist()}

        self._folder.mkdir(parents=True, exist_ok=True)
        key = key_of("variants", THRESHOLD, digest(sounds))
        found = kept(self._folder / f"{key[:24]}.json", key, find, resume=True)
        return [int(group) for group in np.asarray(found["groups"])]
