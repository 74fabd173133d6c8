"""Contacts until things are known, suggested against random: `python -m benchmarks.suggested_contacts --help`.

Real heard beliefs of held-out contacts are replayed: in every draw each object of a scene gets some of its contacts,
whose beliefs are drawn without replacement as they are asked for. Four choose the next contact, over the same fusion:

    suggested    the most expected information (beliefs/contact_choice.py), weighed anew after each contact
    unsure       any contact with the object whose belief has the greatest entropy
    round robin  one object after the other
    random       any contact that is left

The bank is measured on the validation split of `--bank`; contacts are of `--split` of `--replay`. An object is known
once its fused belief gives the true material 0.95 or more, decided once the predicate is_brittle (glass or ceramic) has
the right state. Of a scene contacts are counted until as many objects are known (decided) as all contacts make known,
and until four fifths of these are; objects that they never make known count in `never_known` alone. Contacts cost the
same; `seconds` is what the same choices would take by the default costs. Heard beliefs are kept beside the figures.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics
from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.beliefs.contact_bank import ContactBank
from foley_synthesis.beliefs.contact_choice import LEAST_GAIN, ContactCosts
from foley_synthesis.beliefs.evidence import Evidence
from foley_synthesis.beliefs.expressions import Expression, Facts
from foley_synthesis.beliefs.fitted import load_fitted
from foley_synthesis.beliefs.fusion import FusedBelief, FusionConfig, fuse
from foley_synthesis.beliefs.hysteresis import Thresholds, Truth, step
from foley_synthesis.beliefs.information import ContactWorth, Question
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.evaluation.contacts.bank import heard_objects, measured_bank
from foley_synthesis.evaluation.fusion.objects import TouchedObject
from foley_synthesis.hearing.inference.opened import hearing_beside
from foley_synthesis.metrics.bootstrap import of_replicates

SURE = 0.95
SHARES = {"all": 1.0, "four_fifths": 0.8}
BRITTLE = ("glass", "ceramic")
CHOOSERS = ("suggested", "unsure", "round robin", "random")
COSTS = ContactCosts()
ONE = ContactCosts(1.0, 1.0, 1e9)  # every contact costs as much as any other


@dataclasses.dataclass(frozen=True)
class World:
    """What all choosers share."""

    labels: tuple[str, ...]
    bank: ContactBank
    fusion: FusionConfig
    about_predicate: bool  # contacts are chosen for the predicate, not for the material


class Scene:
    """One draw of one scene, as one chooser works through it."""

    def __init__(
        self, world: World, things: Sequence[TouchedObject], contacts: Sequence[Sequence[Evidence]]
    ) -> None:
        self.world, self.things = world, things
        self.left = [list(items) for items in contacts]
        self.heard: list[list[Evidence]] = [[] for _ in things]
        self.beliefs = [FusedBelief() for _ in things]
        self.states = [Truth.UNKNOWN for _ in things]
        self._gains: list[list[float] | None] = [None for _ in things]

    @property
    def over(self) -> bool:
        return not any(self.left)

    def touch(self, thing: int, contact: int) -> Evidence:
        item = self.left[thing].pop(contact)
        self.heard[thing].append(item)
        self.beliefs[thing] = fuse(self.heard[thing], self.world.fusion)
        self._gains[thing] = None
        belief = self.beliefs[thing].belief
        p = BRITTLE_IS(self.facts(thing))
        self.states[thing] = Truth.UNKNOWN if belief.abstain else step(self.states[thing], p, Thresholds())
        return item

    def facts(self, thing: int) -> Facts:
        belief = self.beliefs[thing].belief
        p = dict(zip(self.world.labels, belief.probabilities, strict=False))
        return Facts({"abstain": float(belief.abstain)}, p)

    def known(self) -> list[bool]:
        found = []
        for thing, fused in zip(self.things, self.beliefs, strict=True):
            p = fused.belief.probabilities
            found.append(bool(p) and p[thing.label] >= SURE)
        return found

    def wrongly_sure(self) -> int:
        return sum(
            bool(f.belief.probabilities) and int(np.argmax(f.belief.probabilities)) != t.label
            and max(f.belief.probabilities) >= SURE
            for t, f in zip(self.things, self.beliefs, strict=True)
        )  # fmt: skip

    def decided(self) -> list[bool]:
        truth = [self.world.labels[thing.label] in BRITTLE for thing in self.things]
        return [s == (Truth.TRUE if t else Truth.FALSE) for s, t in zip(self.states, truth, strict=True)]

    def gains(self, thing: int) -> list[float]:
        """Of each contact that is left, by its action and place."""
        found = self._gains[thing]
        if found is None:
            about = None
            if self.world.about_predicate:
                about = {"x": Question(BRITTLE_IS, state=self.states[thing], facts=self.facts(thing))}
            worth = ContactWorth({"x": self.heard[thing]}, self.world.bank, self.world.fusion, about)
            rated: dict[tuple[str, Any], float] = {}
            found = []
            for item in self.left[thing]:
                key = (item.action, item.position)
                if key not in rated:
                    rated[key] = worth.gain("x", item.action, item.position)
                found.append(rated[key])
            self._gains[thing] = found
        return found


BRITTLE_IS = Expression('probability("glass") or probability("ceramic")', BRITTLE)


def choose(name: str, scene: Scene, rng: np.random.Generator, start: Any) -> tuple[int, int]:
    """The object and the contact of it that comes next; of equals any one."""
    open_ = [i for i, items in enumerate(scene.left) if items]
    if name == "suggested":
        rated = [
            (max(gain, LEAST_GAIN) / ONE.of(scene.left[i][k].action, scene.left[i][k].position, start), i, k)
            for i in open_
            for k, gain in enumerate(scene.gains(i))
        ]
        best = max(rate for rate, _, _ in rated)
        ties = [(i, k) for rate, i, k in rated if rate >= best - 1e-12]
        return ties[int(rng.integers(len(ties)))]
    if name == "unsure":
        entropy = [scene.beliefs[i].belief.entropy for i in open_]
        entropy = [math.log(len(scene.world.labels)) if math.isnan(h) else h for h in entropy]
        most = [i for i, h in zip(open_, entropy, strict=True) if h >= max(entropy) - 1e-9]
        thing = most[int(rng.integers(len(most)))]
    elif name == "round robin":
        fewest = min(len(scene.heard[i]) for i in open_)
        thing = next(i for i in open_ if len(scene.heard[i]) == fewest)
    else:
        sizes = [len(scene.left[i]) for i in open_]
        thing = open_[int(rng.choice(len(open_), p=np.array(sizes) / sum(sizes)))]
    return thing, int(rng.integers(len(scene.left[thing])))


def replay(name: str, scene: Scene, rng: np.random.Generator) -> dict[str, Any]:
    """Everything that is counted of one chooser's way through one draw of one scene."""
    known, decided, seconds, wrong = [scene.known()], [scene.decided()], [0.0], [0]
    start = None
    while not scene.over:
        item = scene.touch(*choose(name, scene, rng, start))
        seconds.append(seconds[-1] + COSTS.of(item.action, item.position, start))
        start = item.position
        known.append(scene.known())
        decided.append(scene.decided())
        wrong.append(scene.wrongly_sure())
    row: dict[str, Any] = {"known_after": [sum(k) for k in known], "wrongly_sure_after": wrong}
    for what, told in (("known", known), ("decided", decided)):
        finally_ = sum(told[-1])
        row[f"never_{what}"] = len(scene.things) - finally_
        for share, part in SHARES.items():
            wanted = math.ceil(part * finally_)
            at = next(n for n, each in enumerate(told) if sum(each) >= wanted)
            row[f"contacts_until_{what}_{share}"] = at if finally_ else math.nan
            row[f"seconds_until_{what}_{share}"] = seconds[at] if finally_ else math.nan
    return row


def measured(
    world: World, objects: Sequence[TouchedObject], *, draws: int, contacts: int, seed: int
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Chooser -> scene -> what was counted in each draw."""
    scenes: dict[str, list[TouchedObject]] = {}
    for thing in objects:
        scenes.setdefault(thing.scene, []).append(thing)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in CHOOSERS}
    for number, (scene, things) in enumerate(sorted(scenes.items())):
        for draw in range(draws):
            rng = np.random.default_rng([seed, number, draw])
            drawn = [[t.heard[i] for i in rng.permutation(len(t.heard))[:contacts].tolist()] for t in things]
            for name in CHOOSERS:
                row = replay(
                    name, Scene(world, things, drawn), np.random.default_rng([seed, number, draw, 1])
                )
                found[name].setdefault(scene, []).append(row)
    return found


def summed_up(
    found: dict[str, dict[str, list[dict[str, Any]]]], *, replicates: int, seed: int
) -> dict[str, Any]:
    """Means over scenes of the means over draws, with 95 % intervals over scenes, and paired differences to random."""
    scenes = sorted(next(iter(found.values())))
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(scenes), size=(replicates, len(scenes)))
    keys = [k for k in next(iter(found.values()))[scenes[0]][0] if not k.endswith("_after")]
    means = {
        name: {key: np.array([_mean([row[key] for row in found[name][s]]) for s in scenes]) for key in keys}
        for name in CHOOSERS
    }
    table: dict[str, Any] = {}
    for name in CHOOSERS:
        table[name] = {k: _interval(v, picks) for k, v in means[name].items()}
        if name != "random":
            table[name]["less_than_random"] = {
                key: _interval(means["random"][key] - means[name][key], picks)
                for key in keys
                if "until" in key
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
        axis.set(
            title=title, xlabel="contacts made in the scene", ylabel=f"objects known ({SURE:g} and right)"
        )
        axis.grid(alpha=0.3)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def kept_objects(
    path: Path, split: str, labels: tuple[str, ...], hears: Callable[[], Any], cache: Path
) -> list[TouchedObject]:
    """Heard contacts of a data set, from the file that keeps them where there is one."""
    dataset = ClipDataset(path)
    model = hears()
    file = cache / f"{dataset.fingerprint[:16]}_{model.model_id[:12]}_{split}.json"
    if not file.is_file():
        things = heard_objects(model, labels, dataset, split)
        cache.mkdir(parents=True, exist_ok=True)
        content = [
            {
                "scene": t.scene,
                "object_id": t.object_id,
                "label": t.label,
                "heard": [e.to_dict() for e in t.heard],
            }
            for t in things
        ]
        file.write_text(json.dumps(content))
    return [
        TouchedObject(
            entry["scene"],
            entry["object_id"],
            int(entry["label"]),
            tuple(Evidence.from_dict(e) for e in entry["heard"]),
            (None,) * len(entry["heard"]),
        )
        for entry in json.loads(file.read_text())
    ]


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
    given = options.parse_args(args)
    content = load_checkpoint("shipped", exemplars=False)
    labels, opened = content.vocabulary.labels, []

    def hears() -> Any:
        opened[:] = opened or [hearing_beside(content, given.hearing, threads=1)]
        return opened[0]

    cache = given.out / "heard"
    bank_objects = [t for p in given.bank for t in kept_objects(p, "validation", labels, hears, cache)]
    objects = [t for p in given.replay for t in kept_objects(p, given.split, labels, hears, cache)]
    if given.scenes:
        kept = set(sorted({t.scene for t in objects})[: given.scenes])
        objects = [t for t in objects if t.scene in kept]
    replayed = {t.scene for t in objects}
    bank = measured_bank([t for t in bank_objects if t.scene not in replayed], labels, hears().model_id)
    fits = load_fitted(content.path)
    fusion = next((f.config for f in fits if f.is_for(hears().model_id, content.model_id)), FusionConfig())
    figures: dict[str, Any] = {
        "bank": dict(bank.measured_on),
        "objects": len(objects),
        "contacts": sum(len(t.heard) for t in objects),
        "draws": given.draws,
        "contacts_each": given.contacts,
        "fusion": {"heard_correlation": fusion.heard_correlation, "calibration_id": fusion.calibration_id},
    }
    curves = {}
    for title, about in (("material", False), ("is_brittle", True)):
        found = measured(
            World(labels, bank, fusion, about), objects,
            draws=given.draws, contacts=given.contacts, seed=given.seed,
        )  # fmt: skip
        figures[title] = summed_up(found, replicates=1000, seed=given.seed)
        curves[f"asked about: {title}"] = curve(found, "known_after")
        figures[title]["known_after"] = {
            n: [round(v, 4) for v in c] for n, c in curve(found, "known_after").items()
        }
        figures[title]["wrongly_sure_at_the_end"] = {
            n: round(c[-1], 4) for n, c in curve(found, "wrongly_sure_after").items()
        }
    given.out.mkdir(parents=True, exist_ok=True)
    write_metrics(given.out, figures)
    draw_picture(curves, given.out / "known.png")
    for title in ("material", "is_brittle"):
        what = "known" if title == "material" else "decided"
        for name, row in figures[title]["choosers"].items():
            text = ", ".join(
                f"{share} {row[key]['value']:.2f} [{row[key]['low']:.2f}, {row[key]['high']:.2f}]"
                for share in SHARES
                if row[key := f"contacts_until_{what}_{share}"]["value"] is not None
            )
            print(f"{title} {name}: contacts until {what}: {text}; never {row[f'never_{what}']['value']:.2f}")
    print(f"figures in {given.out / 'metrics.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
