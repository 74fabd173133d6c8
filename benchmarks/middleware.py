"""Camera frames between two processes, with the Fast DDS profile and at its defaults: how many come through.

    python -m benchmarks.middleware [--runs 3]

Each run sends 60 best-effort images of 640x480 RGB at 30 Hz. The floor is what was sent. Writes
out/bench_middleware/metrics.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks._bench import parser
from foley_common.metrics_file import write_metrics

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def received(profile: str | None) -> tuple[int, int]:
    """Images received and sent under a profile, or under Fast DDS's defaults."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if profile:
        environment["FASTRTPS_DEFAULT_PROFILES_FILE"] = profile
    command = [sys.executable, "-m", "foley_bringup.nodes.image_probe"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)
    if not result.stdout.strip():
        raise RuntimeError(f"the probe ended with {result.returncode}: {result.stderr.strip()}")
    got, sent = map(int, result.stdout.split()[-2:])
    return got, sent


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("middleware", __doc__)
    options.add_argument("--runs", type=int, default=3)
    args = options.parse_args(arguments)
    profile = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    if profile is None:
        sys.exit("middleware: no Fast DDS profile is set: `. ./env.sh` first")

    figures: dict[str, object] = {"profile": profile, "runs": args.runs}
    for name, file in (("with_profile", profile), ("defaults", None)):
        counts = [received(file) for _ in range(args.runs)]
        got, sent = (sum(column) for column in zip(*counts, strict=True))
        figures[name] = {"sent": sent, "received": got, "lost_share": round(1 - got / sent, 4)}
        print(f"{name:14}{got:5} of {sent} images, {100 * (1 - got / sent):.1f} % lost")
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
