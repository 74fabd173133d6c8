"""What anybody could say."""

import numpy as np

from foley_synthesis.evaluation import baselines


def test_majority_and_nearest() -> None:
    assert baselines.majority(np.array([1, 1, 0, -1, -1, -1]), 2).tolist() == [1, 1]
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    assert baselines.nearest(train, np.array([[0.1, 2.0], [3.0, 0.2]])).tolist() == [1, 0]
