"""Search for the nearest exemplar: `python -m benchmarks.exemplar_search [--count 50000]`.

One query against a bank of windows of 59 frames x 10 features, L1, exact, on one thread; best of several. The floor
is a sum over the bank: its bytes must come from memory at least once. Beside ours (faiss, exhaustive) stand numpy, as
one would write it, and scikit-learn's exhaustive search. Ratios are over the floor. Writes metrics.json to --out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import faiss
import numpy as np
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from benchmarks._bench import best, parser
from foley_common.metrics_file import write_metrics
from foley_synthesis.vis.synthesis.search import L1Index

WINDOW = (59, 10)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("exemplar_search", __doc__)
    options.add_argument(
        "--count", type=int, nargs="*", default=[500, 5_000, 50_000], help="exemplars in the bank"
    )
    options.add_argument("--repeats", type=int, default=9)
    args = options.parse_args(arguments)
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    results = []
    for count in args.count:
        bank = rng.standard_normal((count, *WINDOW), dtype=np.float32)
        asked = bank[count // 3][None] + 0.1 * rng.standard_normal((1, *WINDOW), dtype=np.float32)
        flat, query = bank.reshape(count, -1), asked.reshape(1, -1)
        index = L1Index(bank)
        assert index.nearest(asked)[0][0] == count // 3
        with threadpool_limits(1):
            seconds = {
                "floor: sum of the bank": best(flat.sum, args.repeats),
                "ours (faiss)": best(lambda: index.nearest(asked), args.repeats),  # noqa: B023
                "numpy": best(lambda: np.abs(flat - query).sum(axis=1).argmin(), args.repeats),  # noqa: B023
                "scikit-learn": best(
                    lambda: pairwise_distances_argmin(query, flat, metric="manhattan"),  # noqa: B023
                    args.repeats,
                ),
            }
        floor = seconds["floor: sum of the bank"]
        results.append(
            {
                "exemplars": count,
                "bank_mb": round(flat.nbytes / 1e6, 1),
                "milliseconds": {name: round(1e3 * s, 3) for name, s in seconds.items()},
                "over_floor": {name: round(s / floor, 2) for name, s in seconds.items()},
                "gb_per_s": round(flat.nbytes / seconds["ours (faiss)"] / 1e9, 1),
            }
        )
        print(f"{count} exemplars, {flat.nbytes / 1e6:.0f} MB")
        for name, s in seconds.items():
            print(f"  {name:24} {1e3 * s:9.3f} ms   {s / floor:6.2f} x floor")
    write_metrics(args.out, {"banks": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
