"""Robots that are not the simulator: a recording published with legal but odd choices, and with faults, to live nodes.

    python -m benchmarks.odd_drivers [--choices "best effort" ...] [--resume]

Per choice `foley up` is started without a simulator, a process of its own plays the recording (20 s of a simulated
scene with some ten contacts) as that driver would, and what comes out is held against the contacts that were made: how
many were found, how many were told that never were, how far their times and places are off, and what /diagnostics said.
A legal choice is right where the contacts are found that are found without it, and none more; a wrong one where it was
told and no contact is made up. Writes out/bench_odd_drivers/metrics.json.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from benchmarks._bench import ended_by_signals, parser
from benchmarks._odd_choices import CHOICES, Choice
from foley_common import topics
from foley_common.metrics_file import METRICS_FILE, write_metrics
from foley_common.times import NS_PER_S
from foley_msgs.msg import ContactEvent, PredicateArray
from foley_perception.recording.bag import Bag
from foley_ros import convert, qos

NODES = ("hand_mapper", "contact_detector", "material", "synthesizer")
_NEAR_S, _NEAR_M = 0.06, 0.06
_UP_S = 120.0
_SCENE = "5005"  # ten contacts with four things of four materials


@dataclasses.dataclass
class Heard:
    """What the nodes published while a driver played."""

    contacts: list[ContactEvent] = dataclasses.field(default_factory=list)
    told: dict[str, int] = dataclasses.field(default_factory=dict)  # sentences of diagnostics, and how often
    true_predicates: int = 0


def truth(path: Path) -> list[ContactEvent]:
    """Contacts that the simulator made."""
    bag, name = Bag(path), "/" + topics.TRUE_CONTACTS.name
    found = [deserialize_message(bytes(m.data), ContactEvent) for m in bag.messages() if m.topic == name]
    bag.close()
    return found


def recording(folder: Path, seconds: float = 20.0) -> Path:
    """The bag that drivers play, made if it is not there."""
    bags = sorted(folder.glob("*/metadata.yaml"))
    if not bags:
        command = ["foley", "sim", "generate", "--out", str(folder), "--split", "test", "--scenes", "1"]
        command += ["--seed", _SCENE, "--duration", f"{seconds:g}", "--metrics", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        bags = sorted(folder.glob("*/metadata.yaml"))
    return bags[0].parent


@contextlib.contextmanager
def running(choice: Choice, environment: dict[str, str]) -> Iterator[None]:
    """`foley up` beside the driver."""
    with tempfile.TemporaryDirectory() as folder:
        ready, log = Path(folder) / "ready", (Path(folder) / "log").open("w+")
        command = [
            "foley",
            "up",
            "--only",
            *NODES,
            "--set",
            f"lifecycle_manager.ready_file={ready}",
            *choice.up,
        ]
        system = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            began = time.monotonic()
            while not ready.exists():
                if system.poll() is not None or time.monotonic() - began > _UP_S:
                    log.seek(0)
                    raise RuntimeError(f"the system did not come up:\n{log.read()[-1500:]}")
                time.sleep(0.05)
            yield
        finally:
            system.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                system.wait(30)
            system.kill()
            log.close()


def listen(domain: int, process: subprocess.Popen[str]) -> tuple[Heard, dict[str, Any]]:
    """Collect until the driver has ended."""
    heard, facts = Heard(), {}
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node("odd_drivers", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def diagnostics(message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.strip("/")
            if status.level != DiagnosticStatus.OK and name in NODES and "by_ns" in facts:
                level = "ERROR" if status.level == DiagnosticStatus.ERROR else "WARN"
                line = f"{name} {level}: {status.message}"
                heard.told[line] = heard.told.get(line, 0) + 1

    def predicates(message: PredicateArray) -> None:
        heard.true_predicates = max(heard.true_predicates, sum(p.state == p.TRUE for p in message.predicates))

    node.create_subscription(ContactEvent, topics.CONTACTS.name, heard.contacts.append, qos.EVENT)
    node.create_subscription(PredicateArray, topics.PREDICATES.name, predicates, qos.LATCHED)
    node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS.name, diagnostics, qos.DIAGNOSTICS)
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    while process.poll() is None:
        executor.spin_once(timeout_sec=0.1)
        for line in process.stdout.readlines():
            facts |= json.loads(line)
    os.set_blocking(process.stdout.fileno(), True)
    for line in process.stdout.readlines():
        facts |= json.loads(line)
    node.destroy_node()
    executor.shutdown()
    rclpy.shutdown(context=context)
    if process.returncode:
        raise RuntimeError(f"the driver ended with {process.returncode}")
    return heard, facts


def compared(real: Sequence[ContactEvent], heard: Heard, by_ns: int, late_s: float) -> dict[str, Any]:
    """Found contacts against those that were."""
    left = list(heard.contacts)
    apart_s, apart_m = [], []
    for contact in real:
        time_ns = convert.to_ns(contact.header.stamp) + by_ns
        place = convert.point_to_array(contact.position)
        best = None
        for other in left:
            late = (convert.to_ns(other.header.stamp) - time_ns) / NS_PER_S
            far = float(np.linalg.norm(convert.point_to_array(other.position) - place))
            if abs(late) < _NEAR_S + late_s and (best is None or abs(late) < abs(best[1])):
                best = other, late, far
        if best is not None:
            left.remove(best[0])
            apart_s.append(best[1])
            apart_m.append(best[2])
    near = [m for m in apart_m if m < _NEAR_M]
    return {
        "contacts": len(real),
        "found": len(apart_s),
        "in_place": len(near),
        "made_up": len(left),
        "late_ms": round(1e3 * float(np.median(apart_s)), 1) if apart_s else None,
        "off_mm": round(1e3 * float(np.median(apart_m)), 1) if apart_m else None,
    }


def judged(choice: Choice, row: dict[str, Any], plain: dict[str, Any] | None) -> bool:
    """Whether a choice did no harm, or was told."""
    least = (plain or row)["found"] - choice.unheard
    if choice.wrong:
        told = any(re.search(choice.told, line) for line in row["told"])
        return told and row["made_up"] <= (plain or row)["made_up"] and row["found"] == row["in_place"]
    return row["found"] >= least and row["in_place"] >= least and row["made_up"] <= (plain or row)["made_up"]


def tried(choice: Choice, bag: Path, real: Sequence[ContactEvent], domain: int) -> dict[str, Any]:
    """One row of the table."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), **dict(choice.environment)}
    environment = {name: value for name, value in environment.items() if value}
    with running(choice, environment):
        command = [sys.executable, "-m", "benchmarks._odd_driver", str(bag), choice.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as driver:
            heard, facts = listen(domain, driver)
    row = compared(real, heard, facts["by_ns"], choice.late_s)
    often = sorted(heard.told.items(), key=lambda item: -item[1])
    return {
        "text": choice.text,
        **row,
        "true_predicates": heard.true_predicates,
        "told": [line for line, _ in often[:12]],
        "driver": {k: v for k, v in facts.items() if k != "by_ns"},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("odd_drivers", __doc__)
    names = [choice.name for choice in CHOICES]
    options.add_argument(
        "--choices", nargs="+", choices=names, default=names, metavar="CHOICE", help=", ".join(names)
    )
    options.add_argument("--bag", type=Path, help="a simulated recording (default: one is made)")
    options.add_argument("--resume", action="store_true", help="keep the rows that are there")
    args = options.parse_args(arguments)
    ended_by_signals()
    bag = args.bag or recording(args.out / "bag")
    real = truth(bag)
    file = args.out / METRICS_FILE
    rows: dict[str, Any] = json.loads(file.read_text())["choices"] if args.resume and file.is_file() else {}
    domain = 100 + os.getpid() % 100
    for number, choice in enumerate(CHOICES):
        if choice.name not in args.choices or (args.resume and choice.name in rows):
            continue
        row = tried(choice, bag, real, domain + number % 3)
        row["right"] = judged(choice, row, rows.get(names[0]))
        rows[choice.name] = row
        print(
            f"{'right' if row['right'] else 'WRONG'} {choice.name:26} found {row['found']} of {row['contacts']}, "
            f"{row['in_place']} in place, {row['made_up']} made up, {row['late_ms']} ms, {row['off_mm']} mm; "
            f"{row['told'][0][:150] if row['told'] else 'nothing told'}",
            flush=True,
        )
        write_metrics(args.out, {"bag": bag.name, "choices": rows})
    wrong = [name for name, row in rows.items() if not row["right"]]
    print(
        f"{len(rows) - len(wrong)} of {len(rows)} right" + (f"; wrong: {', '.join(wrong)}" if wrong else "")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
