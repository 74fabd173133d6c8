"""Interventions: the same touches with one thing changed, and whether what is predicted follows as it must.

    retexture   an object is made to look like another material: sight must follow, hearing must not
    blow speed  the same blows, slower and faster: predicted loudness must follow the real one
    shift       the planned motion comes later: the predicted onset must come as much later

The first two are simulated anew; the third changes what the model is given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foley_perception.audio.cochleagram import Cochleagram
from foley_perception.audio.cochleagram_onset import onset_frame
from foley_perception.clips.action import motion_known
from foley_perception.clips.grid import ACTION_RATE, ONSET_FRAME, SAMPLE_RATE
from foley_perception.dataset.build import build_dataset, find_bags
from foley_perception.dataset.reader import ClipDataset
from foley_sim.foleysim1.appearances import LOOKS
from foley_sim.ros.generate import GenerateConfig, generate
from foley_synthesis.hearing.inference.opened import HearsMaterial
from foley_synthesis.metrics.bootstrap import hierarchical_weights, mean_interval
from foley_synthesis.metrics.cochleagram import loudness_db
from foley_synthesis.vis.inference.predictor import PredictionInput, Predictor

Array = NDArray[np.float64]
Key = tuple[str, str]  # recording, plan: the same touch in every variant

AS_IT_IS = "as it is"
STRUCK = ("tap", "hit", "knock")


@dataclasses.dataclass(frozen=True)
class InterventionConfig:
    """What is changed, and in how many scenes."""

    out: Path
    scenes: int = 6
    duration_s: float = 40.0
    policy_seed: int = 77  # touches that no recording of FoleySim-1 has, in its test scenes
    looks: tuple[str, ...] = ("metal", "wood")
    speeds: tuple[float, ...] = (0.5, 2.0)
    shifts_ms: tuple[int, ...] = (0, 100, 200, 300)
    jobs: int = 2
    replicates: int = 500

    def __post_init__(self) -> None:
        if self.scenes < 2:
            raise ValueError(f"scenes is {self.scenes}, intervals over scenes need at least 2")
        if any(not 0 <= s <= 400 for s in self.shifts_ms):
            raise ValueError(f"shifts_ms is {self.shifts_ms}; a clip shows 0 to 400 ms after the contact")

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Name -> what differs."""
        looks = {f"looks like {look}": {"look": look} for look in self.looks}
        speeds = {f"{speed:g} x as fast": {"blow_speed": speed} for speed in self.speeds}
        return {AS_IT_IS: {}, **looks, **speeds}


def simulate(
    config: InterventionConfig, progress: Callable[[str, float], None] = lambda name, seconds: None
) -> dict[str, ClipDataset]:
    """Every variant as a data set. What is already there is kept."""
    found = {}
    for name, change in config.variants.items():
        place = config.out / name.replace(" ", "_")
        generate(
            GenerateConfig(
                out=place / "bags", split="test", scenes=config.scenes, duration_s=config.duration_s,
                policy_seed=config.policy_seed, jobs=config.jobs, edition="foleysim-1", robot="gantry", depth_rate_hz=0,
                **change,
            ),
            progress=lambda seconds, name=name: progress(name, seconds),  # type: ignore[misc]
        )  # fmt: skip
        build_dataset(find_bags([str(place / "bags")]), place / "dataset", workers=config.jobs)
        found[name] = ClipDataset(place / "dataset")
    return found


def check_looks(config: InterventionConfig, known: Sequence[str]) -> None:
    """Raises ValueError where objects would be made to look like what the simulator or the model does not have."""
    for what, names in (("the simulator", LOOKS), ("the checkpoint", known)):
        unknown = sorted(set(config.looks) - set(names))
        if unknown:
            raise ValueError(f"--looks names {', '.join(unknown)}; {what} knows {', '.join(names)}")


@dataclasses.dataclass(frozen=True, eq=False)
class Output:
    """What is said of one touch."""

    scene: str
    thing: str
    material: str
    action: str
    seen: Mapping[str, float]  # belief from the picture and the plan
    heard: Mapping[str, float]
    loudness: tuple[float, float]  # [dB] predicted, real
    row: int


def listen(dataset: ClipDataset, predictor: Predictor, heard: HearsMaterial) -> dict[Key, Output]:
    """Every touch with a plan, by both models."""
    cochlea = Cochleagram(SAMPLE_RATE)
    found = {}
    for row, clip in enumerate(dataset.clips):
        plan = dataset.action_planned(row)
        if not (clip.plan_id and motion_known(plan)):
            continue
        made, audio = predictor.predict(PredictionInput(dataset.still(row), None, plan)), dataset.audio(row)
        ear = heard.predict(audio, SAMPLE_RATE, onset_s=ONSET_FRAME / 90.0)
        assert made.belief is not None, "a model of Visually Indicated Sounds has one"
        levels = loudness_db(np.stack([cochlea(made.waveform), cochlea(audio)]), cochlea.exponent)
        found[(clip.session_id, clip.plan_id)] = Output(
            clip.scene_id, clip.object_id, clip.material, clip.action,
            dict(zip(made.belief.vocabulary, map(float, made.belief.probabilities), strict=True)),
            dict(zip(ear.vocabulary, map(float, ear.probabilities), strict=True)),
            (float(levels[0]), float(levels[1])), row,
        )  # fmt: skip
    return found


def figures(
    config: InterventionConfig,
    datasets: Mapping[str, ClipDataset],
    predictor: Predictor,
    heard: HearsMaterial,
) -> dict[str, Any]:
    """What followed and what did not. Raises ValueError where two variants have no touch in common."""
    outputs = {name: listen(dataset, predictor, heard) for name, dataset in datasets.items()}
    base = outputs[AS_IT_IS]
    result: dict[str, Any] = {"touches": len(base), "model": predictor.model_id, "retexture": {}, "speed": {}}
    for look in config.looks:
        other = outputs[f"looks like {look}"]
        keys = [k for k in base if k in other and base[k].material != look]
        result["retexture"][look] = _retextured(base, other, keys, look, config.replicates)
    for speed in config.speeds:
        other = outputs[f"{speed:g} x as fast"]
        keys = [k for k in base if k in other and base[k].action in STRUCK]
        result["speed"][f"{speed:g}"] = _louder(base, other, keys, config.replicates)
    result["shift"] = _shifted(datasets[AS_IT_IS], base, predictor, config)
    return result


def _retextured(
    base: Mapping[Key, Output], other: Mapping[Key, Output], keys: Sequence[Key], look: str, replicates: int
) -> dict[str, Any]:
    weights = _weights([base[k] for k in keys], replicates)
    columns: dict[str, Array] = {}
    for sense in ("seen", "heard"):
        for what in (look, "the truth"):
            for when, side in (("as it is", base), ("retextured", other)):
                names = [look if what == look else base[k].material for k in keys]
                beliefs = [
                    getattr(side[k], sense).get(name, 0.0) for k, name in zip(keys, names, strict=True)
                ]
                columns[f"{sense} says {what}, {when}"] = np.array(beliefs)
    for sense in ("seen", "heard"):
        columns[f"{sense}: change for {look}"] = (
            columns[f"{sense} says {look}, retextured"] - columns[f"{sense} says {look}, as it is"]
        )
    return {"touches": len(keys), **{n: mean_interval(v, weights).to_dict() for n, v in columns.items()}}


def _louder(
    base: Mapping[Key, Output], other: Mapping[Key, Output], keys: Sequence[Key], replicates: int
) -> dict[str, Any]:
    weights = _weights([base[k] for k in keys], replicates)
    change = np.array([np.subtract(other[k].loudness, base[k].loudness) for k in keys]).reshape(-1, 2)
    return {
        "touches": len(keys),
        "predicted_db": mean_interval(change[:, 0], weights).to_dict(),
        "real_db": mean_interval(change[:, 1], weights).to_dict(),
    }


def _shifted(
    dataset: ClipDataset, base: Mapping[Key, Output], predictor: Predictor, config: InterventionConfig
) -> dict[str, Any]:
    things = [t for t in base.values() if t.action in STRUCK]
    weights = _weights(things, config.replicates)
    onsets = {}
    for shift in config.shifts_ms:
        by = round(shift * 1e-3 * ACTION_RATE)
        at = []
        for touch in things:
            plan = dataset.action_planned(touch.row)
            late = plan[np.clip(np.arange(len(plan)) - by, 0, None)]
            made = predictor.predict(PredictionInput(dataset.still(touch.row), None, late))
            assert made.cochleagram is not None
            at.append((onset_frame(made.cochleagram, ONSET_FRAME) - ONSET_FRAME) / 90.0 * 1e3)
        onsets[str(shift)] = np.array(at)
    first = onsets[str(config.shifts_ms[0])]
    return {
        "touches": len(things),
        "onset_ms": {name: mean_interval(values, weights).to_dict() for name, values in onsets.items()},
        "follows_within_50_ms": {
            name: mean_interval(
                (np.abs(values - first - float(name)) <= 50.0).astype(float), weights
            ).to_dict()
            for name, values in onsets.items()
        },
    }


def _weights(things: Sequence[Output], replicates: int) -> Array:
    if not things:
        raise ValueError("no touch is the same in both variants; record for longer")
    return hierarchical_weights([t.scene for t in things], [t.thing for t in things], replicates, 0)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Three panels, one for each intervention."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (look, loud, late) = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    names = list(found["retexture"])
    for offset, (sense, colour) in enumerate((("seen", "#4477aa"), ("heard", "#ee6677"))):
        for k, name in enumerate(names):
            row = found["retexture"][name]
            for when, alpha, step in (("as it is", 0.35, -0.1), ("retextured", 1.0, 0.1)):
                _bar(
                    look, k + 0.42 * (offset - 0.5) + step, row[f"{sense} says {name}, {when}"], colour, alpha
                )
    look.set_xticks(range(len(names)), [f"looks like {n}" for n in names])
    look.set(ylabel="P(what it looks like)", title="retexture: seen (blue), heard (red);\npale: as it is")
    factors = sorted([1.0, *(float(s) for s in found["speed"])])
    for key, colour in (("real_db", "0.4"), ("predicted_db", "#4477aa")):
        cells = [
            found["speed"].get(f"{f:g}", {}).get(key) or {"value": 0.0, "low": 0.0, "high": 0.0}
            for f in factors
        ]
        _line(loud, factors, cells, colour, key.removesuffix("_db"))
    loud.set(
        xscale="log", xlabel="speed of the blow", ylabel="louder than as it is [dB]", title="faster is louder"
    )
    loud.set_xticks(factors, [f"{f:g} x" for f in factors])
    loud.minorticks_off()
    loud.legend(fontsize=8)
    shifts = [int(s) for s in found["shift"]["onset_ms"]]
    late.plot(shifts, shifts, color="0.7", lw=1, label="as much later")
    _line(late, shifts, list(found["shift"]["onset_ms"].values()), "#4477aa", "predicted onset")
    late.set(
        xlabel="motion comes later by [ms]", ylabel="onset after the contact [ms]", title="the onset follows"
    )
    late.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bar(axis: Any, at: float, cell: Mapping[str, float], colour: str, alpha: float) -> None:
    reach = [[cell["value"] - cell["low"]], [cell["high"] - cell["value"]]]
    axis.bar(at, cell["value"], 0.18, yerr=np.abs(reach), color=colour, alpha=alpha, ecolor="0.3")


def _line(
    axis: Any, x: Sequence[float], cells: Sequence[Mapping[str, float]], colour: str, label: str
) -> None:
    value = np.array([c["value"] for c in cells])
    reach = np.abs([value - [c["low"] for c in cells], np.array([c["high"] for c in cells]) - value])
    axis.errorbar(x, value, yerr=reach, color=colour, marker="o", ms=4, capsize=3, label=label)
