"""Contacts until things are known, suggested against random: `python -m benchmarks.suggested_contacts --help`.

Real heard beliefs of held-out contacts are replayed: in every draw each object of a scene gets some of its contacts,
whose beliefs are drawn without replacement as they are asked for. Five choose the next contact, over the same fusion,
and all of them leave alone what they believe to be through with, as long as there is something else:

    suggested    what is likeliest to settle it (beliefs/contact_choice.py), weighed anew after each contact
    informative  the most expected information
    unsure       any contact with the object whose belief has the greatest entropy
    round robin  one object after the other
    random       any contact that is left

The bank is measured on the validation split of `--bank`; contacts are of `--split` of `--replay`, data sets or sets of
`foley sim sessions`. With `--looks` every object was looked at once before (data sets alone). An object is

    sure      once its fused belief gives the true material 0.95 or more
    answered  once its fused belief does not abstain, and its most probable material is the true one
    decided   once the predicate is_brittle (glass or ceramic) has the right state

Counted are the contacts made in the scene until an object is so for the first time, in the mean over the objects that
all their contacts leave so, and how many objects are so after some contacts. `alone`: each object by itself, so that
only the action and the place are chosen. Contacts cost the same; `seconds` is what the choices would take by default.
Writes metrics.json and known.png into --out, and keeps heard beliefs beside them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import parser
from benchmarks._suggested_scene import CHOOSERS, COSTS, QUALITIES, Scene, World, choose
from foley_common.metrics_file import write_metrics
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.fitted import load_fitted
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import Checkpoint, load_checkpoint
from foley_synthesis.evaluation.contacts.bank import measured_bank
from foley_synthesis.evaluation.fusion.objects import (
    TouchedObject,
    kept_objects,
    objects_of_sessions,
    touched_objects,
)
from foley_synthesis.evaluation.windows.kept import key_of
from foley_synthesis.hearing.inference.opened import HearsMaterial, hearing_beside
from foley_synthesis.metrics.bootstrap import of_replicates

AFTER = (2, 5, 10, 15, 20)  # contacts at which is counted what is known


def replay(name: str, scene: Scene, rng: np.random.Generator) -> dict[str, Any]:
    """Everything that is counted of one chooser's way through one draw of one scene."""
    told, seconds = [scene.now()], [0.0]
    start = None
    while not scene.over:
        item = scene.touch(*choose(name, scene, rng))
        seconds.append(seconds[-1] + COSTS.of(item.action, item.position, start))
        start = item.position
        told.append(scene.now())
    row: dict[str, Any] = {"wrongly_sure": scene.wrongly_sure()}
    quality = scene.world.aim
    table = np.array([each[quality] for each in told])  # [contacts + 1, objects]
    finally_ = np.flatnonzero(table[-1])
    first = table[:, finally_].argmax(axis=0)
    row[f"never_{quality}"] = len(scene.things) - len(finally_)
    row[f"contacts_until_{quality}"] = _mean(first.tolist())
    row[f"seconds_until_{quality}"] = _mean([seconds[n] for n in first])
    row[f"{quality}_after"] = table.sum(axis=1).tolist()
    for n in AFTER:
        row[f"{quality}_after_{n}"] = int(table[min(n, len(table) - 1)].sum())
    return row


def measured(
    world: World, objects: Sequence[TouchedObject], given: Any, *, alone: bool = False
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Chooser -> scene -> what was counted in each draw."""
    scenes: dict[str, list[TouchedObject]] = {}
    for thing in objects:
        scenes.setdefault(thing.scene, []).append(thing)
    # Of one object alone there is nothing to choose but the contact, which the others do at random.
    choosers = ("suggested", "informative", "random") if alone else CHOOSERS
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in choosers}
    for number, (scene, things) in enumerate(sorted(scenes.items())):
        for draw in range(given.draws):
            rng = np.random.default_rng([given.seed, number, draw])
            drawn = [
                [t.heard[i] for i in rng.permutation(len(t.heard))[: given.contacts].tolist()] for t in things
            ]
            looks: list[list[Evidence]] = [[] for _ in things]
            if given.looks:
                fit = [[look for look in t.seen if look is not None and look.belief.fit] for t in things]
                looks = [[each[int(rng.integers(len(each)))]] if each else [] for each in fit]
            groups = [[i] for i in range(len(things))] if alone else [list(range(len(things)))]
            for name in choosers:
                for group in groups:
                    parts = ([whole[i] for i in group] for whole in (things, drawn, looks))
                    row = replay(
                        name, Scene(world, *parts), np.random.default_rng([given.seed, number, draw])
                    )
                    found[name].setdefault(scene, []).append(row)
    return found


def summed_up(
    found: dict[str, dict[str, list[dict[str, Any]]]], *, replicates: int, seed: int, alone: bool = False
) -> dict[str, Any]:
    """Means over scenes of the means over draws, with 95 % intervals over scenes, and paired differences to random."""
    scenes = sorted(next(iter(found.values())))
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(scenes), size=(replicates, len(scenes)))
    keys = [k for k in next(iter(found.values()))[scenes[0]][0] if not k.endswith("_after")]
    if alone:
        keys = [k for k in keys if "_after_" not in k]
    means = {
        name: {key: np.array([_mean([row[key] for row in found[name][s]]) for s in scenes]) for key in keys}
        for name in found
    }
    table: dict[str, Any] = {}
    for name in found:
        table[name] = {k: _interval(v, picks) for k, v in means[name].items()}
        if name != "random":
            table[name]["less_than_random"] = {
                key: _interval(means["random"][key] - means[name][key], picks)
                for key in keys
                if "until" in key or "_after_" in key
            }
    return {"scenes": len(scenes), "choosers": table}


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def _interval(values: np.ndarray, picks: np.ndarray) -> dict[str, float | None]:
    def mean(rows: np.ndarray) -> float:
        known = rows[np.isfinite(rows)]
        return float(known.mean()) if known.size else math.nan

    return of_replicates(mean(values), np.array([mean(values[rows]) for rows in picks])).to_dict()


def curve(found: dict[str, dict[str, list[dict[str, Any]]]], key: str) -> dict[str, list[float]]:
    """Chooser -> mean over all draws of what there is after n contacts; who is through stays where it was."""
    longest = max(len(row[key]) for scenes in found.values() for rows in scenes.values() for row in rows)
    return {
        name: np.mean(
            [
                row[key] + [row[key][-1]] * (longest - len(row[key]))
                for rows in scenes.values()
                for row in rows
            ],
            axis=0,
        ).tolist()
        for name, scenes in found.items()
    }


def draw_picture(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Objects known, by contacts made."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(5 * len(curves), 4), squeeze=False)
    for axis, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for name, values in lines.items():
            axis.plot(values, label=name)
        axis.set(title=title, xlabel="contacts made in the scene", ylabel="objects of a scene")
        axis.grid(alpha=0.3)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def kept(
    path: Path, split: str, hears: HearsMaterial, sight: Checkpoint, cache: Path, most: int = 0
) -> list[TouchedObject]:
    """Contacts of a data set or of a set of sessions (0: of all of them), from the folder that keeps them."""
    if (path / "set.json").is_file():
        return objects_of_sessions(hears, path, cache, most=most)
    dataset = ClipDataset(path)
    key = key_of("suggested contacts", hears.model_id, sight.model_id, dataset.fingerprint, split)
    return kept_objects(cache, key, lambda: touched_objects(hears, sight, dataset, split))


def main(args: Sequence[str] | None = None) -> int:
    """Exit code 0."""
    options = parser("suggested_contacts", __doc__)
    options.add_argument("--bank", type=Path, nargs="+", required=True, metavar="DIR")
    options.add_argument("--replay", type=Path, nargs="+", required=True, metavar="DIR")
    options.add_argument("--split", default="test")
    options.add_argument("--hearing", default="", help="what hears; empty: what ships")
    options.add_argument("--draws", type=int, default=20)
    options.add_argument(
        "--contacts", type=int, default=8, help="of each object in a draw (default: %(default)s)"
    )
    options.add_argument("--scenes", type=int, default=0, help="at most so many; 0: all")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--looks", action="store_true", help="every object was looked at once before")
    given = options.parse_args(args)
    sight = load_checkpoint("shipped", exemplars=False)
    labels, cache = sight.vocabulary.labels, given.out / "heard"
    hears = hearing_beside(sight, given.hearing, threads=1)
    objects = [t for path in given.replay for t in kept(path, given.split, hears, sight, cache, given.scenes)]
    if given.scenes:
        some = set(sorted({t.scene for t in objects})[: given.scenes])
        objects = [t for t in objects if t.scene in some]
    replayed = {t.scene for t in objects}
    known = [t for path in given.bank for t in kept(path, "validation", hears, sight, cache)]
    bank = measured_bank([t for t in known if t.scene not in replayed], labels, hears.model_id)
    fits = load_fitted(sight.path)
    fusion = next((f.config for f in fits if f.is_for(hears.model_id, sight.model_id)), FusionConfig())
    figures: dict[str, Any] = {
        "bank": dict(bank.measured_on),
        "objects": len(objects),
        "contacts": sum(len(t.heard) for t in objects),
        "draws": given.draws,
        "contacts_each": given.contacts,
        "looks": given.looks,
        "heard_correlation": fusion.heard_correlation,
        "place_correlation": fusion.place_correlation,
        "calibration_id": fusion.calibration_id,
    }
    curves = {}
    for aim in QUALITIES:
        world = World(labels, bank, fusion, aim)
        found = measured(world, objects, given)
        curves[aim] = curve(found, f"{aim}_after")
        figures[aim] = summed_up(found, replicates=1000, seed=given.seed)
        figures[aim]["curve"] = {n: [round(v, 4) for v in c] for n, c in curves[aim].items()}
        figures[aim]["alone"] = summed_up(
            measured(world, objects, given, alone=True), replicates=1000, seed=given.seed, alone=True
        )
    given.out.mkdir(parents=True, exist_ok=True)
    write_metrics(given.out, figures)
    draw_picture(curves, given.out / "known.png")
    for aim in QUALITIES:
        for where, table in (("in a scene", figures[aim]), ("alone", figures[aim]["alone"])):
            for name, row in table["choosers"].items():
                counts = [(n, row.get(f"{aim}_after_{n}")) for n in AFTER]
                after = "".join(f", after {n}: {count['value']:.2f}" for n, count in counts if count)
                until, never = _text(row[f"contacts_until_{aim}"]), row[f"never_{aim}"]["value"]
                print(f"{aim} {where}, {name}: {until} contacts, never {never:.2f}{after}")
    print(f"figures in {given.out / 'metrics.json'}")
    return 0


def _text(figure: dict[str, float | None]) -> str:
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    return "never" if value is None or low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
