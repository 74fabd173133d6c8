"""Features of rendered views: right, kept, made anew where anything changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foley_synthesis.vision.coarse_colour import ColourEncoder
from foley_synthesis.vision.dataset_views import dataset_views
from foley_synthesis.vision.view_features import ViewsError, view_features


class Counting(ColourEncoder):
    """Counts the pictures that it is given."""

    seen = 0

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return super().encode(images)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five moments; the right hand is known in three of them."""
    rows = []
    for moment in range(5):
        known = moment in (1, 2, 4)
        for name in ("global", *(("local_right",) if known else ())):
            (tmp_path / name).mkdir(exist_ok=True)
            picture = np.full((128, 128, 3), 40 * moment + (20 if name == "global" else 0), np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{moment:05d}.jpg"), picture)
        rows.append(
            {
                "time_ns": moment * 250_000_000,
                "has_global": True,
                "has_local_left": False,
                "has_local_right": known,
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "views.parquet")
    (tmp_path / "views.json").write_text(json.dumps({"fingerprint": "a"}))
    return tmp_path


def test_every_rendered_view_has_its_features(folder: Path) -> None:
    encoder = Counting()
    times, features = view_features(folder, encoder)
    assert times.tolist() == [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000]
    assert features.shape == (5, 3, encoder.dims) and encoder.seen == 8
    assert np.isnan(features[:, 1]).all()
    assert np.isfinite(features[:, 2]).all(axis=1).tolist() == [False, True, True, False, True]
    one = cv2.cvtColor(cv2.imread(str(folder / "local_right" / "00002.jpg")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(features[2, 2], ColourEncoder().encode(one[None])[0])


def test_features_are_kept_until_something_changes(folder: Path) -> None:
    encoder = Counting()
    first = view_features(folder, encoder)[1]
    np.testing.assert_array_equal(view_features(folder, encoder)[1], first)
    assert encoder.seen == 8
    (folder / "views.json").write_text(json.dumps({"fingerprint": "b"}))  # rendered anew
    view_features(folder, encoder)
    assert encoder.seen == 16
    next(folder.glob("features-*.npy")).write_bytes(b"damaged")
    (folder / "views.json").write_text(json.dumps({"fingerprint": "a"}))
    np.testing.assert_array_equal(view_features(folder, encoder)[1], first)


def test_views_that_are_not_there_or_damaged_are_told(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(ViewsError, match="render them with `foley scene views`"):
        view_features(tmp_path_factory.mktemp("empty"), ColourEncoder())
    with pytest.raises(ViewsError, match="no finished views of top"):
        view_features(folder, ColourEncoder(), ("top",))
    (folder / "global" / "00003.jpg").write_bytes(b"damaged")
    with pytest.raises(ViewsError, match=r"00003\.jpg: is missing or damaged"):
        view_features(folder, ColourEncoder())


# ---- for a whole dataset -----------------------------------------------------------------------------------
STEP = 250_000_000


class Dataset:
    """As much of a ClipDataset as is looked at: two sessions, one of which was rendered."""

    fingerprint = "f"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clips = [item("seen", 125_000_000), item("unseen", 0), item("seen", 2 * STEP)]
        self.windows = [item("seen", 0)]


def item(session: str, start_ns: int) -> SimpleNamespace:
    return SimpleNamespace(session_id=session, start_ns=start_ns)


@pytest.fixture
def rendered(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    views = tmp_path_factory.mktemp("views")
    folder.rename(views / "seen")
    return Dataset(tmp_path_factory.mktemp("dataset")), views


def test_a_datasets_items_have_views_on_their_grid(rendered: tuple[Dataset, Path]) -> None:
    dataset, views = rendered
    encoder = Counting()
    found = dataset_views(dataset, views, encoder)  # type: ignore[arg-type]
    assert found.clips.shape == (3, 4, 3, encoder.dims) and found.windows.shape == (1, 32, 3, encoder.dims)
    _, features = view_features(views / "seen", encoder)
    # The middles of the first clip's quarters are the moments 1 to 4 to the nanosecond.
    np.testing.assert_array_equal(found.clips[0], features[1:].astype(np.float16))
    # Those of the third lie between two moments: the earlier one, and after the end nothing.
    np.testing.assert_array_equal(found.clips[2, :2], features[2:4].astype(np.float16))
    assert np.isfinite(found.clips[2, 2, 0]).all() and np.isnan(found.clips[2, 3]).all()
    assert np.isnan(found.clips[1]).all() and found.without == ("unseen",)
    assert np.isfinite(found.windows[0, :5, 0]).all() and np.isnan(found.windows[0, 5:]).all()
    assert found.share(found.windows)["global"] == pytest.approx(5 / 32)
    assert found.share(found.windows)["local_left"] == 0.0


def test_a_datasets_features_are_kept_until_something_changes(rendered: tuple[Dataset, Path]) -> None:
    dataset, views = rendered
    encoder = Counting()
    first = dataset_views(dataset, views, encoder)  # type: ignore[arg-type]
    shutil.rmtree(views / "seen" / "global")  # not looked at again
    again = dataset_views(dataset, views, encoder)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.clips, first.clips)
    assert encoder.seen == 8 and again.path == first.path
    first.path.write_bytes(b"damaged")
    np.testing.assert_array_equal(dataset_views(dataset, views, encoder).clips, first.clips)  # type: ignore[arg-type]
    dataset.fingerprint = "g"  # built anew
    assert dataset_views(dataset, views, encoder).path != first.path  # type: ignore[arg-type]
    with pytest.raises(ViewsError, match="no views of any of the 2 sessions"):
        dataset_views(dataset, views / "elsewhere", encoder)  # type: ignore[arg-type]
