"""metrics.json: whole, readable by any JSON reader, and honest about what is not a number."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from foley_common.metrics_file import write_metrics


@dataclasses.dataclass
class Pair:
    low: float
    high: float


def test_what_json_lacks_becomes_null_and_numpy_becomes_plain(tmp_path: Path) -> None:
    figures = {
        "nan": float("nan"),
        "infinite": np.float32(np.inf),
        "count": np.int64(3),
        "rows": np.array([[1.0, np.nan]]),
        "interval": Pair(0.25, float("nan")),
        "path": Path("a/b"),
        "flag": np.bool_(True),
        7: None,
    }
    path = write_metrics(tmp_path / "out" / "run", figures)
    assert path == tmp_path / "out" / "run" / "metrics.json"
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "nan": None,
        "infinite": None,
        "count": 3,
        "rows": [[1.0, None]],
        "interval": {"low": 0.25, "high": None},
        "path": "a/b",
        "flag": True,
        "7": None,
    }


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_metrics(tmp_path, {"a": 1})
    with pytest.raises(TypeError, match="object"):
        write_metrics(tmp_path, {"a": object()})
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": 1}
