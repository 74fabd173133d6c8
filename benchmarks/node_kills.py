"""What a fault of each node costs, under load: how long it is away, and who else suffers.

    python -m benchmarks.node_kills [--kills 3] [--hangs 1] [--nodes material recorder] [--load 2] [--resume]

`foley up --sim` beside one busy process for each core. Each node in turn is killed (SIGKILL), and hangs (SIGSTOP), so
many times; each time: the seconds until it is active again (of the lifecycle manager: until it tells that all are), the
processes of others that changed meanwhile, the healthy successors that the lifecycle manager killed, the restarts that
`foley up` made, and for the publisher of `predicates` how long a planner that reads them as docs/messages.md says could
still read a TRUE of the dead process. Of every fault it is kept what such a planner was told that it should not have
been: on evidence too old, or of the newest contact, or that there was none, which nobody can know while contacts are
missed. Every fault is a line of faults.jsonl; with --resume those that are there are not done again, so that a long run
may be done in parts, or node by node. Writes out/bench_node_kills/metrics.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._bench import parser
from benchmarks._planner import EARS, Planner
from foley_bringup.system import MANAGER
from foley_common import processes
from foley_common.metrics_file import write_metrics
from foley_common.processes import Process

PUBLISHER = "material"  # of predicates
UP_WITHIN_S = 240.0
BACK_WITHIN_S = 240.0
TRUE_WITHIN_S = 90.0
WATCHED_S = 9.0  # at least, after a fault
_KILLED = re.compile(r"\(pid (\d+)\) lives but does not answer: killed it")
_ENDED = re.compile(r"^\[(\w+)\] +(?:was killed by|ended with) .* starting it again", re.MULTILINE)


class System:
    """`foley up --sim`, watched from outside."""

    def __init__(self, folder: Path, namespace: str = "/") -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from lifecycle_msgs.msg import State
        from rclpy.executors import SingleThreadedExecutor

        from foley_bringup.system import default_system_file, load_system, select
        from foley_msgs.msg import PredicateArray
        from foley_ros import qos

        self.names = [n.name for n in select(load_system(default_system_file()), sim=True) if n.lifecycle]
        self._namespace = namespace
        self._log = folder / "up.log"
        self._beats: dict[str, tuple[int, str]] = {}  # when the last was sent [ns], and what it said
        self._all_active_at = 0.0  # when the manager last told so
        self._snapshot: Any = None
        self.planner = Planner(_lifetimes_s())
        rclpy.init(args=[])
        self._node = rclpy.create_node("node_kills")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

        def keep(name: str) -> Callable[..., None]:
            def beat(message: Any, info: dict[str, Any]) -> None:
                self._beats[name] = info["source_timestamp"], message.label

            return beat

        for name in self.names:
            self._node.create_subscription(State, f"{name}/heartbeat", keep(name), qos.HEARTBEAT)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self._node.create_subscription(PredicateArray, "predicates", self._on_predicates, qos.LATCHED)
        with self._log.open("wb") as log:
            command = ["foley", "up", "--sim", "--scene-seed", "5"]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)

    def close(self) -> None:
        import rclpy

        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    # ---- what is seen ------------------------------------------------------------------------------------
    def _on_diagnostics(self, message: Any) -> None:
        told = f"{len(self.names)} of {len(self.names)} nodes active"
        for status in message.status:
            if status.name == f"/{MANAGER}" and told in status.message:
                self._all_active_at = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9

    def _on_predicates(self, message: Any) -> None:
        self._snapshot = message
        self.planner.take(message)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, condition: Callable[[], Any], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"foley up ended with {self.process.returncode}:\n{self.log[-3000:]}")
            self._executor.spin_once(timeout_sec=0.05)
            self.planner.look(time.time_ns())
        return bool(condition())

    def all_active(self, since: float = 0.0) -> bool:
        """As the manager has told after ``since`` [s since 1970]."""
        return self._all_active_at > since

    def active_after(self, name: str, moment_ns: int) -> bool:
        if name == MANAGER:
            return self._all_active_at * 1e9 > moment_ns
        sent_ns, label = self._beats.get(name, (0, ""))
        return sent_ns > moment_ns and label == "active"

    def processes(self) -> dict[str, Process]:
        names = [*self.names, MANAGER]
        return {name: process for name, process in processes.nodes(self._namespace) if name in names}

    def true_until_ns(self) -> int:
        """Until when the newest snapshot's last TRUE may be believed; 0 where nothing is TRUE."""
        from foley_msgs.msg import Predicate
        from foley_ros import convert

        held = self._snapshot.predicates if self._snapshot is not None else ()
        return max((convert.to_ns(p.valid_until) for p in held if p.state == Predicate.TRUE), default=0)

    def stale_true_s(self, killed_ns: int, seconds: float) -> float:
        """How long after the fault a TRUE of the dead process could be read, as it was renewed by nobody."""
        dead, until_ns = self._snapshot, self.true_until_ns()
        self.wait(lambda: self._snapshot is not dead or time.time_ns() > until_ns, seconds)
        return max(min(until_ns, time.time_ns()) - killed_ns, 0) * 1e-9


def _lifetimes_s() -> dict[str, float]:
    """Of the predicates that ship, by name."""
    from foley_synthesis import checkpoint
    from foley_synthesis.beliefs import predicates_file

    labels = checkpoint.load_checkpoint(None, exemplars=False).vocabulary.labels
    return {
        spec.name: spec.lifetime_s for spec in predicates_file.load(predicates_file.default_path(), labels)
    }


# ---- faults --------------------------------------------------------------------------------------------------
def fault(system: System, name: str, number: signal.Signals) -> dict[str, Any]:
    """Have one node killed or hang, and watch until everything is as it was."""
    if not system.wait(lambda: system.all_active(time.time() - 2.0), UP_WITHIN_S):
        raise SystemExit(f"not all nodes are active:\n{system.log[-3000:]}")
    has_true = name != PUBLISHER or system.wait(
        lambda: system.true_until_ns() > time.time_ns(), TRUE_WITHIN_S
    )
    if name in EARS:
        system.wait(lambda: system.planner.needing_ears(time.time_ns()), TRUE_WITHIN_S)
    needing_ears = system.planner.needing_ears(time.time_ns())
    before, log_before = system.processes(), len(system.log)
    os.kill(before[name].pid, number)
    began, killed_ns = time.monotonic(), time.time_ns()
    system.planner.killed(name, killed_ns)
    told_before = len(system.planner.wrong)
    stale_s = system.stale_true_s(killed_ns, BACK_WITHIN_S) if name == PUBLISHER and has_true else None
    back = system.wait(lambda: system.active_after(name, killed_ns), BACK_WITHIN_S)
    away_s = time.monotonic() - began
    over = killed_ns + round(WATCHED_S * 1e9)
    system.wait(
        lambda: time.time_ns() > over, 2 * WATCHED_S
    )  # until a lease, and what ears are worth, has ended
    again = time.time()
    back = back and system.wait(lambda: system.all_active(again), BACK_WITHIN_S)
    after, log = system.processes(), system.log[log_before:]
    restarts = Counter(_ENDED.findall(log))
    return {
        "node": name,
        "signal": number.name,
        "away_s": round(away_s, 2) if back else None,
        "stale_true_s": None if stale_s is None else round(stale_s, 2),
        "needing_ears": needing_ears,
        "told_wrongly": system.planner.wrong[told_before:],
        "healthy_killed": [int(pid) for pid in _KILLED.findall(log) if int(pid) != before[name].pid],
        "others_touched": sorted(n for n in before if n != name and after.get(n) != before[n]),
        "restarts": restarts[name],
        "restarts_of_others": sum(restarts.values()) - restarts[name],
        "load": round(os.getloadavg()[0], 1),
    }


def figures(faults: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Per node and signal: minimum, median and maximum of the time away, and what must be zero."""
    rows = {}
    for key in dict.fromkeys((f["node"], f["signal"]) for f in faults):
        own = [f for f in faults if (f["node"], f["signal"]) == key]
        away = [f["away_s"] for f in own if f["away_s"] is not None]
        stale = [f["stale_true_s"] for f in own if f["stale_true_s"] is not None]
        rows[f"{key[0]} {key[1]}"] = {
            "faults": len(own),
            "came_back": len(away),
            "away_s": [min(away), statistics.median(away), max(away)] if away else [],
            "stale_true_s_max": max(stale) if stale else None,
            "needing_ears": [f["needing_ears"] for f in own],
            "told_wrongly": [said for f in own for said in f["told_wrongly"]],
            "healthy_killed": sum(len(f["healthy_killed"]) for f in own),
            "others_touched": sum(len(f["others_touched"]) + f["restarts_of_others"] for f in own),
            "restarts": sum(f["restarts"] for f in own),
        }
    return rows


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that take all they get."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    record = args.out / "faults.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.resume:
        record.unlink(missing_ok=True)
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    system = System(args.out.resolve())
    try:
        if not system.wait(system.all_active, UP_WITHIN_S):
            raise SystemExit(f"the system did not come up:\n{system.log[-3000:]}")
        with busy(args.load):
            for name in args.nodes or [*system.names, MANAGER]:
                for number, times in ((signal.SIGKILL, args.kills), (signal.SIGSTOP, args.hangs)):
                    # `foley up` sees a process that ended; nobody but the manager sees one that hangs.
                    times = 0 if name == MANAGER and number == signal.SIGSTOP else times
                    had = sum((f["node"], f["signal"]) == (name, number.name) for f in done)
                    for _ in range(times - had):
                        done.append(fault(system, name, number))
                        print(json.dumps(done[-1]), flush=True)
                        with record.open("a") as file:
                            file.write(json.dumps(done[-1]) + "\n")
    finally:
        system.close()
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("node_kills", __doc__)
    options.add_argument("--kills", type=int, default=3, help="of each node (default: %(default)s)")
    options.add_argument("--hangs", type=int, default=1, help="of each node (default: %(default)s)")
    options.add_argument("--nodes", nargs="+", metavar="NODE", help="these alone (default: all)")
    options.add_argument(
        "--load", type=int, default=os.cpu_count() or 1, help="busy processes (default: one for each core)"
    )
    options.add_argument("--resume", action="store_true", help="keep the faults that faults.jsonl has")
    options.add_argument("--domain", type=int, default=34)
    args = options.parse_args(arguments)
    os.environ["ROS_DOMAIN_ID"] = str(args.domain)
    done = run(args)
    rows = figures(done)
    write_metrics(args.out, {"load": args.load, "nodes": rows})
    print(
        f"{'node':40}{'back':>8}{'min':>7}{'median':>8}{'max s':>7}{'healthy killed':>16}{'stale TRUE s':>14}"
    )
    for key, row in rows.items():
        low, middle, high = row["away_s"] or [float("nan")] * 3
        stale = "-" if row["stale_true_s_max"] is None else f"{row['stale_true_s_max']:.1f}"
        print(
            f"{key:40}{row['came_back']:>4}/{row['faults']:<3}{low:>7.1f}{middle:>8.1f}{high:>7.1f}"
            f"{row['healthy_killed']:>16}{stale:>14}"
        )
    sound = all(
        r["came_back"] == r["faults"]
        and not r["healthy_killed"] + r["others_touched"] + len(r["told_wrongly"])
        for r in rows.values()
    )
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
