"""After hostile messages: does a node do its work with good ones? One question for each, asked from outside."""

from __future__ import annotations

import importlib.util
import math
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

_SOURCES = Path(__file__).resolve().parents[1] / "ros2_ws" / "src"


def _of_tests(path: str) -> ModuleType:
    """A robot or a world that the tests have."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, _SOURCES / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def works(subject: Any) -> str:
    """What the node made of good messages. Raises TimeoutError where it makes nothing right of them."""
    return str(_QUESTIONS[subject.name](subject))


def prepare(subject: Any) -> None:
    """What a node does while hostile messages come, beside listening."""
    if subject.name == "recorder":
        from foley_msgs.srv import StartRecording

        subject.call(StartRecording, "start", StartRecording.Request(name="hostile", max_duration=600.0))
    if subject.name == "material":
        from foley_msgs.msg import VocabularyInfo
        from foley_ros import qos

        told: list[Any] = []
        subject.observer.create_subscription(VocabularyInfo, "vocabulary", told.append, qos.LATCHED)
        subject.until(lambda: told, "the vocabulary")
        subject.words += [f"{told[0].name}@{told[0].version}"]


def _contact_detector(subject: Any) -> str:
    from foley_msgs.msg import ContactEvent
    from foley_ros import convert, qos

    tests = _of_tests("foley_perception/tests/nodes/test_contact_detector.py")
    contacts: list[Any] = []
    listening = subject.observer.create_subscription(ContactEvent, "contacts", contacts.append, qos.EVENT)
    robot = tests.Robot(subject.observer)
    subject.until(robot.matched, "subscriptions")

    def right() -> list[Any]:
        """Contacts at the time of a tap."""
        seconds = [(convert.to_ns(c.header.stamp) - robot.start_ns) / 1e9 for c in contacts]
        return [c for c, s in zip(contacts, seconds, strict=True) if any(abs(s - at) < 0.01 for at in taps)]

    def heard() -> bool:
        robot.pump()
        return bool(right())

    # What it heard before may still stand: several taps, as a robot would make them.
    taps: list[float] = []
    for _ in range(8):
        taps.append(robot.now() + 0.5)
        robot._taps.append(taps[-1])
        robot._clicks.append(taps[-1])
        until = time.monotonic() + 1.5
        subject.until(lambda: heard() or time.monotonic() > until, "a tap")  # noqa: B023
        if heard():
            break
    subject.observer.destroy_subscription(listening)
    found = right()
    if not found:
        raise TimeoutError(f"no contact in {len(taps)} taps; it says {subject.told}")
    place = convert.point_to_array(found[-1].position)
    if not np.allclose(place, [tests.REST[0], tests.REST[1], 0.0], atol=5e-3):
        raise TimeoutError(f"a contact at {place}, not under the tip")
    return f"tap {len(taps)} was heard, at its place and within 10 ms"


def _material(subject: Any) -> str:
    from foley_msgs.msg import MaterialEstimate, PredicateArray
    from foley_ros import qos

    world = _of_tests("foley_synthesis/tests/live_world.py")
    estimates: list[Any] = []
    snapshots: list[Any] = []
    observer = subject.observer
    observer.create_subscription(MaterialEstimate, "material_estimates", estimates.append, qos.EVENT)
    observer.create_subscription(PredicateArray, "predicates", snapshots.append, qos.LATCHED)
    bench = world.Bench(observer)
    subject.until(
        lambda: bench.audio.get_subscription_count() and bench.contact.get_subscription_count(),
        "subscriptions",
    )
    for attempt in range(1, 6):
        start_ns = world.now_ns() - 800_000_000
        name = f"good_{attempt}"
        bench.contact.publish(world.contact_message(name, start_ns + 250_000_000, object_id="good_mug"))
        bench.hear(world.ping(), start_ns, stream_id=name)
        until = time.monotonic() + 8
        subject.until(
            lambda: any(e.contact_id == name for e in estimates) or time.monotonic() > until,  # noqa: B023
            "an estimate",
        )
        if any(e.contact_id == name for e in estimates):
            break

    def told() -> bool:
        return any(
            p.name == "was_hit" and p.arguments == ["good_mug"] and p.state == p.TRUE
            for snapshot in snapshots[-1:]
            for p in snapshot.predicates
        )

    subject.until(told, "was_hit(good_mug)")
    own = next(e for e in estimates if e.object_id == "good_mug")
    if not math.isclose(sum(own.probabilities), 1.0, abs_tol=1e-3):
        raise TimeoutError(f"probabilities are {list(own.probabilities)}")
    return f"contact {attempt} became an estimate and predicates; {len(snapshots[-1].predicates)} predicates in all"


def _hand_mapper(subject: Any) -> str:
    from nav_msgs.msg import Path as PathMessage

    from foley_msgs.msg import HandKeypoints, ToolTrajectory
    from foley_ros import convert, qos

    world = _of_tests("foley_synthesis/tests/live_world.py")
    keypoints: list[Any] = []
    plans: list[Any] = []
    observer = subject.observer
    observer.create_subscription(HandKeypoints, "hand_keypoints", keypoints.append, qos.STATE)
    observer.create_subscription(ToolTrajectory, "planned_tool_trajectory", plans.append, qos.EVENT)
    bench = world.Bench(observer)
    paths = observer.create_publisher(PathMessage, "planned_path", qos.EVENT)
    subject.until(
        lambda: bench.pose.get_subscription_count() and paths.get_subscription_count(), "subscriptions"
    )
    sent: set[int] = set()

    def mapped() -> bool:
        sent.add(now_ns := world.now_ns())
        bench.move(now_ns, np.array([0.1, 0.0, 0.1]))
        good = [k for k in keypoints if convert.to_ns(k.header.stamp) in sent]
        return bool(good) and math.isfinite(good[-1].right[0].x)

    subject.until(mapped, "keypoints of a good pose")
    times, tips = world.tap_path(world.now_ns() + 4 * 10**9)
    poses = [
        convert.pose_stamped(tip + world.TIP, world.DOWN, int(t), "world")
        for t, tip in zip(times, tips, strict=True)
    ]
    path = PathMessage(header=convert.header(int(times[0]), "world"), poses=poses)
    before = len(plans)
    paths.publish(path)
    plan = subject.until(lambda: plans[before:], "a plan")[0]
    if not all(math.isfinite(p.position.z) for p in plan.poses):
        raise TimeoutError("the plan holds NaN")
    return f"keypoints of poses, and a plan of {len(plan.poses)} poses"


def _recorder(subject: Any) -> str:
    from foley_msgs.srv import StartRecording, StopRecording

    world = _of_tests("foley_synthesis/tests/live_world.py")
    bench = world.Bench(subject.observer)
    subject.until(bench.pose.get_subscription_count, "subscriptions")
    subject.spin(0.5)
    missing = StopRecording.Response.ERROR_MISSING_TOPIC  # no driver but the one of poses
    damaged = subject.call(StopRecording, "stop", StopRecording.Request())
    if damaged.error_code not in (0, missing):
        raise TimeoutError(f"the recording of hostile messages failed: {damaged.error_msg}")
    started = subject.call(StartRecording, "start", StartRecording.Request(name="after", max_duration=60.0))
    if started.error_code:
        raise TimeoutError(f"start was refused: {started.error_msg}")
    for _ in range(50):
        bench.move(world.now_ns(), np.zeros(3))
        subject.spin(0.004)
    subject.spin(0.5)
    stopped = subject.call(StopRecording, "stop", StopRecording.Request())
    counts = {topic.topic: topic.messages for topic in stopped.topics}
    if stopped.error_code not in (0, missing) or counts.get("/ee_pose") != 50:
        raise TimeoutError(f"50 poses were sent, recorded {counts}, {stopped.error_msg}")
    kept = sum(topic.messages for topic in damaged.topics)
    return f"{kept} hostile messages were recorded, then 50 of 50 poses"


def _synthesizer(subject: Any) -> str:
    from foley_msgs.msg import PredictedAudio
    from foley_ros import qos

    world = _of_tests("foley_synthesis/tests/live_world.py")
    predicted: list[Any] = []
    subject.observer.create_subscription(PredictedAudio, "predicted_audio", predicted.append, qos.EVENT)
    bench = world.Bench(subject.observer)
    subject.until(
        lambda: bench.plan.get_subscription_count() and bench.image.get_subscription_count(), "subscriptions"
    )
    bench.transforms()
    for attempt in range(1, 9):
        for _ in range(8):
            bench.see()
            bench.move(world.now_ns(), np.array([0.0, 0.0, 0.3]))
            subject.spin(0.05)
        name = f"good_{attempt}"
        bench.plan.publish(world.plan_message(world.now_ns() + 4 * 10**9, name))
        until = time.monotonic() + 3
        subject.until(
            lambda: any(p.plan_id == name for p in predicted) or time.monotonic() > until,  # noqa: B023
            "a prediction",
        )
        good = [p for p in predicted if p.plan_id == name]
        if good:
            samples = np.frombuffer(good[0].audio.samples, np.float32)
            if not samples.size or not np.isfinite(samples).all():
                raise TimeoutError("the predicted sound is empty or not finite")
            return f"plan {attempt} was predicted: {samples.size} samples"
    raise TimeoutError(f"no plan was predicted; it says {subject.told}")


_QUESTIONS = {
    "contact_detector": _contact_detector,
    "material": _material,
    "hand_mapper": _hand_mapper,
    "recorder": _recorder,
    "synthesizer": _synthesizer,
}
