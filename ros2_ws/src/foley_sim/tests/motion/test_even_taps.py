from collections import Counter

import numpy as np

from foley_sim.motion.even_taps import EvenTaps
from foley_sim.motion.policy import PERIOD_S, Policy
from foley_sim.scene import make_scene

SCENE = make_scene(3, "validation")


def test_each_object_is_tapped_apart_and_at_one_place_equally_often():
    policy = EvenTaps(SCENE, 1)
    count = len(policy._touchable)
    targets = [policy.target() for _ in range(2 * 5 * count)]
    assert {target.action for target in targets} == {"tap"}
    assert len({target.speed for target in targets}) > 8 * count, (
        "speeds are drawn for each, also at one place"
    )
    for item in SCENE.objects:
        points = Counter(target.point for target in targets if target.object_id == item.object_id)
        assert sorted(points.values()) == [1] * 5 + [5]
        apart = np.array([point for point, often in points.items() if often == 1])
        assert np.ptp(apart, axis=0).max() > 0.01
    assert targets[0] == EvenTaps(SCENE, 1).target(), "follows from the seed"


def test_sessions_last_until_all_have_had_their_taps():
    policy = EvenTaps(SCENE, 0)
    assert policy.duration_s(8) >= 16 * len(policy._touchable) * np.mean(PERIOD_S)
    assert isinstance(policy, Policy) and policy.duration_s(9) > policy.duration_s(8)
