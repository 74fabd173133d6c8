"""What anybody could say."""

import numpy as np

from foley_synthesis.evaluation import baselines


def test_the_nearest_is_found_by_angle_from_the_training_mean() -> None:
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    assert baselines.nearest(train, np.array([[0.1, 2.0], [3.0, 0.2]])).tolist() == [1, 0]
