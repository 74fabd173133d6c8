"""What each node of the live system costs: share of a core, memory, and how long the system takes to be up.

    python -m benchmarks.node_costs [--seconds 30]

Starts `foley up --sim`, lets it settle, and watches its processes. `pss` counts memory that processes share by its
part in each, `uss` what would be free without the process. The floor of the memory is a node that does nothing, the
lifecycle manager. Writes out/bench_node_costs/metrics.json, beside what the figures were when models ran
in torch.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks._bench import ended_by_signals, parser
from foley_common.metrics_file import write_metrics

BEFORE = {
    "sim_world": {"cpu_percent": 47},
    "synthesizer": {"cpu_percent": 23, "rss_mb": 980},
    "contact_detector": {"cpu_percent": 21},
    "hand_mapper": {"cpu_percent": 17},
    "material": {"cpu_percent": 10, "rss_mb": 750},
}
"""Measured with models in torch, on 2 cores."""
_UP_S, _SETTLE_S = 120.0, 10.0


def node_of(process: psutil.Process) -> str:
    """Name of the node that a process is; empty where it is none."""
    return next((a.partition(":=")[2] for a in process.cmdline() if a.startswith("__node:=")), "")


def watched(root: psutil.Process, seconds: float) -> dict[str, dict[str, float]]:
    """Share of a core over some time and memory at its end, by node."""
    nodes = {name: p for p in root.children(recursive=True) if (name := node_of(p))}
    began, cpu = time.monotonic(), {n: sum(p.cpu_times()[:2]) for n, p in nodes.items()}
    time.sleep(seconds)
    passed = time.monotonic() - began
    found = {}
    for name, process in nodes.items():
        used, memory = sum(process.cpu_times()[:2]) - cpu[name], process.memory_full_info()
        found[name] = {
            "cpu_percent": round(100 * used / passed, 1),
            **{f"{kind}_mb": round(getattr(memory, kind) / 2**20) for kind in ("rss", "pss", "uss")},
        }
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("node_costs", __doc__)
    options.add_argument("--seconds", type=float, default=30.0, help="watched; default: %(default)s")
    options.add_argument("--scene-seed", type=int, default=3, help="default: %(default)s")
    args = options.parse_args(arguments)
    ended_by_signals()
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        command = ["foley", "up", "--sim", "--scene-seed", str(args.scene_seed)]
        command += ["--set", f"lifecycle_manager.ready_file={ready}"]
        environment = {"ROS_DOMAIN_ID": str(60 + os.getpid() % 40), **os.environ}
        began = time.monotonic()
        with (Path(folder) / "log").open("w+") as log:
            system = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            try:
                while not ready.exists():
                    if system.poll() is not None or time.monotonic() - began > _UP_S:
                        log.seek(0)
                        sys.exit(f"node_costs: the system did not come up:\n{log.read()[-2000:]}")
                    time.sleep(0.05)
                up_s = time.monotonic() - began
                time.sleep(_SETTLE_S)
                found = watched(psutil.Process(system.pid), args.seconds)
            finally:
                system.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    system.wait(30)
    print(f"up after {up_s:.1f} s")
    for name, row in found.items():
        was = BEFORE.get(name, {})
        print(
            f"{name:20}{row['cpu_percent']:6.1f} % of a core (was {was.get('cpu_percent', '-')}), "
            f"{row['rss_mb']:5.0f} MB (was {was.get('rss_mb', '-')}), its own {row['uss_mb']:.0f} MB"
        )
    write_metrics(
        args.out,
        {
            "up_s": round(up_s, 2),
            "nodes": found,
            "before": BEFORE,
            "load": [round(x, 1) for x in os.getloadavg()],
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
