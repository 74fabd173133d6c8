"""Latency of hearing on one core: `python -m benchmarks.hearing [--hearing NAME|DIR] [--out out/bench_hearing]`.

Milliseconds of processor time, best of --repeats, of each stage of one contact heard at 48 kHz, when 60, 150 and 500 ms
after its onset are known and when all is: to the front end's rate, log-mel front end, network, the frozen networks with
their heads where the model has them, and honesty (temperature, sets, novelty). `hear` is the whole as a caller has it,
with the checks of the samples; the first answer comes that much after 60 ms. It is the model that ships; `--members K`
instead is K untrained networks of the default size, as fast as trained ones.
Writes metrics.json to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._bench import best_processor, parser
from foley_common.metrics_file import write_metrics
from foley_perception.audio.resample import resampled
from foley_synthesis.checkpoint import Vocabulary
from foley_synthesis.hearing.front_end import FrontEndConfig, log_mel, normalised
from foley_synthesis.hearing.inference.calibration import STAGES_S, HearingCalibration, Stage
from foley_synthesis.hearing.inference.conformal import fit_sets
from foley_synthesis.hearing.inference.families import MATERIALS
from foley_synthesis.hearing.inference.hearing_model import SHIPPED, HearingModel
from foley_synthesis.hearing.inference.novelty import fit_novelty
from foley_synthesis.hearing.inference.risk import choose_abstention
from foley_synthesis.hearing.model_file import HearingFile, load_hearing, weights_of
from foley_synthesis.hearing.networks.hearing_net import HearingEnsemble, HearingNet
from foley_synthesis.hearing.output import NetConfig

RATE, ONSET_S = 48_000, 0.25


def untrained(members: int) -> HearingFile:
    """A model that says nothing true, in the time of one that does."""
    front_end, actions = FrontEndConfig(), ("hit", "scratch")
    size = NetConfig(front_end.bands, len(MATERIALS), len(actions))
    rng, n, e = np.random.default_rng(0), 600, members * size.embedding
    labels = rng.integers(len(MATERIALS), size=n)
    embeddings, logits = rng.standard_normal((n, e)), rng.standard_normal((n, len(MATERIALS)))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    novelty = fit_novelty(embeddings, labels, (embeddings, logits))
    sets = fit_sets(p, labels, MATERIALS, fitted_on="noise", nodes=True)
    abstention = choose_abstention(p, labels, 0.3, fitted_on="noise")
    stages = tuple(Stage(heard_s, 1.0, 1.0, 1.0, sets, abstention, novelty) for heard_s in STAGES_S)
    calibration = HearingCalibration(stages, 0.0, "noise")
    return HearingFile(
        weights_of(HearingEnsemble([HearingNet(size) for _ in range(members)])), size, front_end,
        Vocabulary("materials", "1", MATERIALS), actions, {"domain": "sim"}, calibration.to_dict(),
        dict(calibration.to_tensors()),
    )  # fmt: skip


def contact() -> np.ndarray:
    """Three decaying partials in noise, 0.25 s before its onset to 0.75 s after it."""
    time = np.arange(RATE) / RATE - ONSET_S
    partials = sum(np.sin(2 * np.pi * hz * time) for hz in (700.0, 1900.0, 4100.0))
    sound = 0.1 * np.where(time >= 0, np.exp(-np.maximum(time, 0) / 0.1), 0.0) * partials
    return (sound + 1e-3 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def stages(file: HearingFile, heard_s: float, repeats: int) -> dict[str, float]:
    """Milliseconds by stage."""
    model, config, sound = HearingModel(file), file.front_end, contact()
    end = round((ONSET_S + min(heard_s, config.after_s)) * RATE)
    begin = round((ONSET_S - config.before_s - config.window / config.rate) * RATE)
    there = resampled(sound, RATE, config.rate)
    level = log_mel(there, config.rate, ONSET_S, config, heard_s=heard_s)
    output, known_s, calibration = model._output(level), min(heard_s, 1.0 - ONSET_S), model._calibration

    def honest() -> None:
        model._hearing(output, calibration, model._stage(calibration, known_s), known_s, 12_000.0)

    def frozen() -> None:
        assert model._recorded is not None
        model._recorded.begin(sound, RATE, ONSET_S, heard_s)()

    def features() -> None:
        normalised(log_mel(there, config.rate, ONSET_S, config, heard_s=heard_s), config)

    work = {
        "resample": lambda: resampled(sound[begin:end], RATE, config.rate),
        "front end": features,
        "network": lambda: model._output(level),
        **({"frozen networks": frozen} if model._recorded is not None else {}),
        "honesty": honest,
        "hear": lambda: model.hear(sound, RATE, onset_s=ONSET_S, heard_s=heard_s),
    }
    if heard_s == STAGES_S[-1]:
        work["hear, onset searched"] = lambda: model.hear(sound, RATE)
    return {name: round(1e3 * best_processor(run, repeats), 3) for name, run in work.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("hearing", __doc__)
    options.add_argument(
        "--hearing", type=Path, help="folder or name of a hearing model (default: the one that ships)"
    )
    options.add_argument("--members", type=int, help="untrained networks instead of a model")
    options.add_argument("--repeats", type=int, default=50, help="default: %(default)s")
    args = options.parse_args(arguments)
    file = untrained(args.members) if args.members else load_hearing(args.hearing or SHIPPED)
    rows = {
        "all" if heard_s == STAGES_S[-1] else f"{1000 * heard_s:.0f} ms": stages(file, heard_s, args.repeats)
        for heard_s in STAGES_S
    }
    for heard, row in rows.items():
        print(f"{heard:>6} heard: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in row.items()))
    figures = {
        "members": file.members,
        "parameters": sum(value.size for value in file.weights.values()),
        "model_id": file.model_id,
        "milliseconds": rows,
    }
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
