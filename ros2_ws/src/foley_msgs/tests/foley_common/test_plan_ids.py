import numpy as np

from foley_common.plan_ids import plan_id_of


def test_plan_ids_are_the_same_everywhere_and_differ_between_plans() -> None:
    points = np.array([[0.0, 1.0], [2.0, 3.0]])
    assert plan_id_of(7, points) == plan_id_of(7, points.copy())
    assert plan_id_of(7, points) != plan_id_of(8, points)
    assert plan_id_of(7, points) != plan_id_of(7, points + 0.1)
