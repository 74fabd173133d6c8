"""How many labelled contacts a predicate takes that is no material: `python -m benchmarks.teaching_curve`.

Things of the simulator that are loose or tight, full or empty, cracked or whole (`foley sim states`), two tests:

same    taught with contacts of one thing in two scenes, tested with contacts of it in two other scenes
other   taught with contacts of several things, tested with other things

and in each 5, 10, 20 contacts, as even as can be of both labels, drawn --draws times, and all that there are. Beside
what is taught (`foley_synthesis/teaching`; `head` is its head alone, asked whatever it thinks of itself): logistic
regression on MFCC statistics, on the level, on the decay time, and on whichever of four numbers fits the taught
contacts best. A figure is the mean over things and draws, its interval the 95 % of a bootstrap over both. A probability
that is not known counts as half right, and as one half in the log loss. Writes metrics.json and teaching_curve.png to
--out, and goes on where it was ended. `--set` is made where it lacks, and keeps embeddings of its contacts.
`balanced_accuracy_of_recordings` is of all contacts of a thing in one scene and state, fused as predicates are.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._bench import parser
from benchmarks._state_contacts import SINGLE, Contacts, read_contacts
from foley_common.metrics_file import write_metrics
from foley_sim.condition import PREDICATE
from foley_sim.offline.state_set import StateSetConfig, make_state_set
from foley_sim.states import STATES
from foley_synthesis.teaching.example import MOST, Example
from foley_synthesis.teaching.head import fit, fit_slope, floor_of, probabilities
from foley_synthesis.teaching.taught import fused, teach

COUNTS = (5, 10, 20)
TAUGHT_SCENES = (0, 1)  # of the test with the same thing; the others are tested
METHODS = ("taught", "head", "mfcc", "level", "decay", "single")
SHADED = ("taught", "mfcc")  # whose intervals the picture shows
TESTS = ("same", "other")
_BINS = 10
_BOOTSTRAPS = 1000

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Curve:
    """Answers of one method at one number of contacts, draw by draw."""

    def __init__(self) -> None:
        self.accuracy: list[list[float]] = []  # [draws][things], balanced
        self.fused: list[float] = []  # [draws], balanced, of all contacts of a recording together
        self.p: list[Floats] = []  # of TRUE, NaN where not known
        self.label: list[NDArray[np.bool_]] = []
        self.answered: list[NDArray[np.bool_]] = []
        self.enough: list[float] = []

    def add(self, c: Contacts, tested: Places, p: Floats, answered: NDArray[np.bool_]) -> None:
        """One head's answers to tested contacts [n]."""
        label, thing, recording = c.label[tested], c.thing[tested], c.recording[tested]
        self.accuracy.append([_balanced(p[thing == t], label[thing == t]) for t in np.unique(thing)])
        whole = [(recording == r) for r in np.unique(recording)]
        together = np.array([fused(np.clip(p[of], 1e-6, 1 - 1e-6).tolist()) for of in whole])
        self.fused.append(_balanced(together, np.array([label[of][0] for of in whole])))
        self.p.append(p)
        self.label.append(label)
        self.answered.append(answered)

    def figures(self, draws: int, rng: np.random.Generator) -> dict[str, Any]:
        """draws: of each thing's own heads (test `same`) or of heads for all things."""
        table = np.array(self.accuracy)
        if table.shape[1] == 1:  # a head for each thing: [things * draws, 1]
            table = table.reshape(-1, draws).T
        p, label, answered = (np.concatenate(x) for x in (self.p, self.label, self.answered))
        known = np.isfinite(p)
        own = np.where(known, np.where(label, p, 1 - p), 0.5)
        right = own > 0.5
        return {
            "balanced_accuracy": round(float(table.mean()), 4),
            "interval_95": [round(v, 4) for v in _interval(table, rng)],
            "worst_median_best_thing": np.quantile(table.mean(axis=0), [0.0, 0.5, 1.0]).round(4).tolist(),
            "balanced_accuracy_of_recordings": round(float(np.mean(self.fused)), 4),
            "log_loss": round(float(-np.log(np.maximum(own, 1e-4)).mean()), 4),
            "ece": round(_ece(p[known], label[known]), 4),
            "answered": round(float(answered.mean()), 4),
            "accuracy_of_answered": round(float(right[answered].mean()), 4) if answered.any() else None,
            "not_known": round(float((~known).mean()), 4),
            "heads_that_say_enough": round(float(np.mean(self.enough)), 4) if self.enough else None,
            "heads": len(self.p),
            "contacts_tested": len(p),
        }


def _balanced(p: Floats, label: NDArray[np.bool_]) -> float:
    right = np.where(np.isfinite(p), ((p > 0.5) == label).astype(float), 0.5)
    return float(np.mean([right[label == value].mean() for value in (True, False)]))


def _ece(p: Floats, label: NDArray[np.bool_]) -> float:
    """Expected calibration error of the likelier answer, in bins of equal width."""
    sure, right = np.maximum(p, 1 - p), (p > 0.5) == label
    place = np.clip(((sure - 0.5) * 2 * _BINS).astype(int), 0, _BINS - 1)
    gaps = [
        abs(sure[place == b].mean() - right[place == b].mean()) * (place == b).mean()
        for b in range(_BINS)
        if (place == b).any()
    ]
    return float(sum(gaps))


def _interval(table: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """95 % of means over draws and things [draws, things], both drawn with replacement."""
    draws, things = table.shape
    means = [
        table[np.ix_(rng.integers(draws, size=draws), rng.integers(things, size=things))].mean()
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _pick(pool: Places, label: NDArray[np.bool_], count: int, rng: np.random.Generator) -> Places:
    """So many of a pool, half of each label; of an odd number one more of either."""
    more = bool(rng.integers(2))
    chosen = []
    for value in (True, False):
        want = count // 2 + (count % 2 if value is more else 0)
        of = pool[label[pool] == value]
        chosen.append(rng.permutation(of)[:want])
    return np.concatenate(chosen)


# ---- methods -----------------------------------------------------------------------------------------------------
Answers = tuple[Floats, NDArray[np.bool_], bool | None]
"""Probability of TRUE of each tested contact [n], whether it is answered [n], and whether the head says `enough`."""


def _taught(c: Contacts, taught: Places, tested: Places, groups: NDArray[np.str_]) -> Answers:
    examples = [
        Example(c.names[i], bool(c.label[i]), c.embedding(i), str(groups[i])) for i in taught.tolist()
    ]
    learned = teach("taught", examples, c.features_id)
    p = np.array([learned.probability(c.values[i]) for i in tested.tolist()])
    sure = (p >= learned.thresholds.true_above) | (p <= learned.thresholds.false_below)
    return p, sure & learned.enough, learned.enough


def _head(c: Contacts, taught: Places, tested: Places) -> Answers:
    """The head without a verdict, and of what is unlike all that was taught too. Answered: from 0.8 on."""
    head = fit(c.values[taught], c.label[taught], c.sizes)
    slope = fit_slope(np.zeros(0), np.zeros(0, bool))
    p = probabilities(head.scores(c.values[tested]), slope, floor_of(len(taught)))
    return p, (p >= 0.8) | (p <= 0.2), None


def _regression(x: Floats, label: NDArray[np.bool_], taught: Places, tested: Places) -> Answers:
    """Logistic regression on standardised features; a number that is not known is the mean. Answered: from 0.8 on."""
    from sklearn.linear_model import LogisticRegression

    known = np.where(np.isfinite(x), x, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column of which nothing is known
        mean, std = np.nanmean(known[taught], axis=0), np.nanstd(known[taught], axis=0)
    mean, std = np.nan_to_num(mean), np.where(np.nan_to_num(std) > 1e-9, std, 1.0)
    z = np.nan_to_num((known - mean) / std)
    head = LogisticRegression(C=1.0, class_weight="balanced", max_iter=500).fit(z[taught], label[taught])
    p = head.predict_proba(z[tested])[:, 1]
    return p, (p >= 0.8) | (p <= 0.2), None


def _single(c: Contacts, taught: Places, tested: Places) -> Answers:
    """That of SINGLE which fits the taught contacts best."""
    fits = []
    for k in range(len(SINGLE)):
        p, _, _ = _regression(c.single[:, [k]], c.label, taught, taught)
        own = np.where(c.label[taught], p, 1 - p)
        fits.append(float(-np.log(own).mean()))
    best = int(np.argmin(fits))
    return _regression(c.single[:, [best]], c.label, taught, tested)


def _answers(method: str, c: Contacts, taught: Places, tested: Places, groups: NDArray[np.str_]) -> Answers:
    if method == "taught":
        return _taught(c, taught, tested, groups)
    if method == "head":
        return _head(c, taught, tested)
    if method == "mfcc":
        return _regression(c.mfcc.astype(np.float64), c.label, taught, tested)
    if method == "single":
        return _single(c, taught, tested)
    column = SINGLE.index({"level": "level_db", "decay": "decay_s"}[method])
    return _regression(c.single[:, [column]], c.label, taught, tested)


# ---- tests -------------------------------------------------------------------------------------------------------
def curves(
    c: Contacts, draws: int, told: Callable[[str], None] = lambda text: None
) -> dict[str, dict[str, Any]]:
    """Of one predicate: test -> method -> number of contacts -> figures."""
    rng = np.random.default_rng([0x7EAC4, len(c.names)])
    found: dict[str, dict[str, Any]] = {}
    for test in TESTS:
        cases = _cases(test, c)
        for count in (*COUNTS, 0):  # 0: all
            made = {method: Curve() for method in METHODS}
            repeats = draws if count else 1
            for pool, tested, groups in cases:
                for _ in range(repeats):
                    taught = _pick(pool, c.label, count or min(len(pool), MOST), rng)
                    for method, curve in made.items():
                        p, answered, enough = _answers(method, c, taught, tested, groups)
                        curve.add(c, tested, p, answered)
                        if enough is not None:
                            curve.enough.append(float(enough))
            for method, curve in made.items():
                of = found.setdefault(test, {}).setdefault(method, {})
                of[str(count) if count else "all"] = curve.figures(repeats, rng)
            told(f"{test} {count or 'all'}")
    return found


def _cases(test: str, c: Contacts) -> list[tuple[Places, Places, NDArray[np.str_]]]:
    """What may be taught, what is tested, and what contacts are not independent within."""
    if test == "other":
        pool, tested = (np.flatnonzero(c.split == split) for split in ("train", "test"))
        return [(pool, tested, c.thing)]
    cases = []
    for thing in np.unique(c.thing[c.split == "test"]):
        of, in_taught = c.thing == thing, np.isin(c.scene, TAUGHT_SCENES)
        cases.append((np.flatnonzero(of & in_taught), np.flatnonzero(of & ~in_taught), c.recording))
    return cases


def _key(c: Contacts, draws: int) -> str:
    """Of what figures follow from."""
    said = json.dumps([c.names, c.features_id, draws, COUNTS, METHODS, TESTS])
    return hashlib.sha256(said.encode() + c.values.tobytes()).hexdigest()[:32]


def _kept(path: Path, key: str) -> dict[str, dict[str, Any]] | None:
    """Figures of a predicate that an earlier run worked out of the same contacts."""
    if not path.is_file():
        return None
    said = json.loads(path.read_text(encoding="utf-8"))
    return said["curves"] if said["key"] == key else None


def draw_picture(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Balanced accuracy over the number of contacts, a panel for each predicate and test."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        len(TESTS), len(found), figsize=(4 * len(found), 6.4), sharey=True, squeeze=False
    )
    colours = dict(
        zip(METHODS, ("#1b6ca8", "#7ab8e0", "#c0504d", "#9a9a9a", "#c8a030", "#5a9a5a"), strict=True)
    )
    for column, (predicate, tests) in enumerate(found.items()):
        for row, test in enumerate(TESTS):
            panel = panels[row][column]
            for method in METHODS:
                points = tests[test][method]
                x = [0, *COUNTS, 28]
                y = [
                    0.5,
                    *(points[str(n)]["balanced_accuracy"] for n in COUNTS),
                    points["all"]["balanced_accuracy"],
                ]
                panel.plot(x[:-1], y[:-1], "-o", ms=3, color=colours[method], label=method)
                panel.plot(x[-1:], y[-1:], "s", ms=5, color=colours[method])
                if method in SHADED:
                    low, high = zip(*(points[str(n)]["interval_95"] for n in COUNTS), strict=True)
                    panel.fill_between(COUNTS, low, high, color=colours[method], alpha=0.15, lw=0)
            panel.axhline(0.5, color="k", lw=0.5)
            panel.set_xticks([0, *COUNTS, 28], ["0", *map(str, COUNTS), "all"])
            panel.set_title(f"{predicate}, {test} thing{'s' if test == 'other' else ''}", fontsize=10)
            panel.set_ylim(0.4, 1.0)
    panels[-1][-1].legend(fontsize=8, frameon=False, loc="upper left", ncols=2)
    for row in range(len(TESTS)):
        panels[row][0].set_ylabel("balanced accuracy")
    for column in range(len(found)):
        panels[-1][column].set_xlabel("labelled contacts")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser("teaching_curve", __doc__)
    made.add_argument("--set", type=Path, default=Path("out") / "state_set", help="default: %(default)s")
    made.add_argument("--state", nargs="+", choices=STATES, default=list(STATES), help="default: all")
    made.add_argument("--objects", type=int, default=16, help="taught things of a set that is made")
    made.add_argument("--test-objects", type=int, default=12, help="tested things of a set that is made")
    made.add_argument(
        "--taps", type=int, default=6, help="contacts in each scene and state of a set that is made"
    )
    made.add_argument("--draws", type=int, default=20, help="default: %(default)s")
    args = made.parse_args(arguments)
    config = StateSetConfig(
        args.set, tuple(args.state), args.objects, args.test_objects, 4, args.taps, jobs=1
    )
    make_state_set(config)
    contacts = read_contacts(args.set, [PREDICATE[state][0] for state in config.states])
    found: dict[str, dict[str, Any]] = {}
    about: dict[str, Any] = {}
    for state in config.states:
        predicate = PREDICATE[state][0]
        of = contacts.of(predicate)
        kept = args.out / f"{predicate}.json"
        found[predicate] = _kept(kept, _key(of, args.draws)) or curves(
            of, args.draws, lambda text, name=predicate: print(f"{name} {text}", file=sys.stderr, flush=True)
        )
        args.out.mkdir(parents=True, exist_ok=True)
        kept.write_text(
            json.dumps({"key": _key(of, args.draws), "curves": found[predicate]}), encoding="utf-8"
        )
        about[predicate] = {
            "contacts": len(of.names),
            "unheard": int((contacts.predicate == predicate).sum()) - len(of.names),
            "things": {split: len(np.unique(of.thing[of.split == split])) for split in ("train", "test")},
        }
    metrics = {
        "predicates": found,
        "set": about,
        "draws": args.draws,
        "chance": {"balanced_accuracy": 0.5, "log_loss": round(float(np.log(2)), 4)},
        "features_id": contacts.features_id,
    }
    write_metrics(args.out, metrics)
    draw_picture(found, args.out / "teaching_curve.png")
    for predicate, tests in found.items():
        for test, methods in tests.items():
            for method, points in methods.items():
                cells = "  ".join(
                    f"{n}: {v['balanced_accuracy']:.2f} ({v['interval_95'][0]:.2f}-{v['interval_95'][1]:.2f})"
                    for n, v in points.items()
                )
                print(f"{predicate:13s} {test:6s} {method:7s} {cells}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
