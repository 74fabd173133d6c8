import argparse
import dataclasses
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from foley_common.session_file import write_session
from foley_perception.gaussians.views.cameras import Views
from foley_perception.geometry.height_map import HeightMap
from foley_synthesis.commands import flow
from foley_synthesis.flow.sight.examples import examples
from foley_synthesis.flow.sight.inference import Sight, local_views
from foley_synthesis.flow.sight.model_file import load_sight
from foley_synthesis.flow.sight.posterior import WhatPosterior
from foley_synthesis.flow.sight.things import Things
from foley_synthesis.flow.sight.windows import SeenWindows
from foley_synthesis.flow.what import MATERIAL_COLUMNS, MATERIALS, PRESENCE_COLUMN, WHAT_DIMS, under
from foley_synthesis.flow.window_model import EvaluationWindow
from foley_synthesis.vision.coarse_colour import ColourEncoder

WOOD, METAL = (MATERIAL_COLUMNS.start + MATERIALS.index(name) for name in ("wood", "metal"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, seen: ModuleType) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sets")
    return {
        split: seen.write_hopping(root / split, split, count)
        for split, count in (("train", 8), ("validation", 4), ("test", 4))
    }


@pytest.fixture(scope="module")
def trained(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the command."""
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    out = tmp_path_factory.mktemp("out") / "sight"
    train, validation, test = (str(folders[split]) for split in ("train", "validation", "test"))
    words = ["sight", train, "--validation", validation, "--test", test, "--out", str(out)]
    words += [
        "--encoder",
        "colour",
        "--epochs",
        "12",
        "--least-steps",
        "12",
        "--members",
        "1",
        "--threads",
        "1",
        "--replicates",
        "20",
    ]
    assert flow.run(parser.parse_args(words)) == 0
    return out


def test_the_command_scores_unseen_things_beside_simple_ways(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["training"]["objects"] == 16 and metrics["test"]["objects"] == 8
    scores = metrics["scores"]
    assert scores["sight"]["material_balanced_accuracy"]["value"] == 1.0
    assert scores["chance"]["material_balanced_accuracy"]["value"] == pytest.approx(0.5)
    assert {"sight, one view", "colours", "form", "look known"} <= set(scores)
    assert [row["objects"] for row in metrics["curve"]] == [4, 8, 16]
    assert (
        metrics["confusions"]["objects"] == 8
    )  # the half that the model of the other half did not learn from
    confusions = load_sight(trained).confusions
    assert confusions is not None and confusions.material[[0, 1], [0, 1]].min() > 0.6  # wood and metal
    assert (trained / "confusion.png").stat().st_size > 1000


def test_the_posterior_of_a_session_follows_the_planned_tip(trained: Path, seen: ModuleType) -> None:
    session = seen.hopping_session(("wood", "metal"), seed=77)
    sight = Sight(load_sight(trained), ColourEncoder())
    posterior = sight.posterior(sight.look(session))
    assert isinstance(posterior, WhatPosterior) and len(posterior) == len(session.planned_pose) // 4
    expected = posterior.expected()
    tips = seen.tips_of_hops()[2::4][: len(posterior)]
    truth = under(tips, session.facts["objects"])
    assert np.array_equal(expected[:, PRESENCE_COLUMN] > 0, truth >= 0)
    assert (expected[truth == 0, WOOD] > 0.5).all() and (expected[truth == 1, METAL] > 0.5).all()
    drawn = posterior.draw(np.random.default_rng(0))
    assert len(np.unique(drawn[truth == 0], axis=0)) == 1


def test_a_planned_motion_is_seen_through_a_source_of_views(trained: Path, seen: ModuleType) -> None:
    """As the session's file: the same scene, the same pictures, rendered when they are wanted."""
    rng, asked = np.random.default_rng(5), list[np.ndarray]()

    def views(keypoints: np.ndarray, names: tuple[str, ...], tips: np.ndarray) -> Views:
        assert names == ("local_right",) and np.isnan(tips[0]).all()
        assert np.isfinite(keypoints[1]).all()
        asked.append(tips[1])
        material = "metal" if tips[1, 0] > 0 else "wood"
        return Views({"local_right": seen.picture(material, rng)}, {}, {})

    sight = Sight(load_sight(trained), ColourEncoder())
    source = local_views(SimpleNamespace(views=views))  # type: ignore[arg-type]
    tips = seen.tips_of_hops()
    things = Things.of(seen.ground())
    posterior = sight.posterior(sight.around(tips, things, source).over(tips))
    expected = posterior.expected()
    assert (expected[:40, WOOD] > 0.5).all() and (expected[-40:, METAL] > 0.5).all()
    assert 2 <= len(asked) <= 16
    blind = sight.posterior(sight.around(tips, things, lambda tip: None).over(tips)).expected()
    assert blind[0, PRESENCE_COLUMN] == 1 and blind[0, WOOD] == pytest.approx(0.5, abs=0.02)


def test_a_table_with_nothing_on_it_is_no_thing(trained: Path, seen: ModuleType) -> None:
    sight, table = Sight(load_sight(trained), ColourEncoder()), seen.surface()
    table[:, 2] = 0.0
    tips = seen.tips_of_hops()
    bare = sight.around(tips, Things.of(HeightMap.from_points(table)), lambda tip: None).over(tips)
    assert not sight.posterior(bare).draw(np.random.default_rng(0)).any()
    assert np.isnan(sight.features(bare)).all()


def test_another_encoder_is_refused(trained: Path) -> None:
    other = SimpleNamespace(identity="other", dims=96)
    with pytest.raises(ValueError, match="trained with colour-1, not other"):
        Sight(load_sight(trained), other)  # type: ignore[arg-type]


def test_shares_of_a_learning_curve_are_no_numbers_of_scenes(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    flow.configure(parser)
    test = str(folders["test"])
    words = ["sight", test, "--validation", test, "--test", test, "--out", str(tmp_path / "a"), "--curve"]
    assert flow.run(parser.parse_args([*words, "0.5", "100"])) == 2
    assert "--curve is 0.5 100.0, must be shares between 0 and 1" in capsys.readouterr().err


def test_splits_are_not_mixed(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="is of split `test`, `train` is needed"):
        examples([folders["test"]], "train", ColourEncoder())
    few = examples([folders["train"]], "train", ColourEncoder(), sessions=2)
    assert len(few.material) == 4
    assert len(few.share(0.5).material) == 2 and few.share(0.5).object.max() == 1


def test_windows_of_a_session_without_views_are_seen_through_stills_of_its_scene(
    trained: Path, seen: ModuleType, tmp_path: Path
) -> None:
    stills = seen.hopping_session(("wood", "metal"), seed=78, split="test")
    write_session(tmp_path / "test-78.npz", stills)
    moved = seen.hopping_session(("wood", "metal"), seed=78, split="test", moments=48)
    session = dataclasses.replace(moved, facts={**moved.facts, "view_names": []})
    sight = Sight(load_sight(trained), ColourEncoder())
    windows = SeenWindows(sight, (tmp_path,))
    late = EvaluationWindow(session, 3.2)
    expected = windows.expected(late)
    truth = under(seen.tips_of_hops(48)[2::4], session.facts["objects"])[100:350]
    assert expected.shape == (250, WHAT_DIMS)
    assert (expected[truth == 0, WOOD] > 0.5).all() and (expected[truth == 1, METAL] > 0.5).all()
    assert {0, 1} <= set(truth.tolist())
    assert np.array_equal(windows.draw(late, 1), windows.draw(late, 1))
    with pytest.raises(ValueError, match="scene `test-78` has no views"):
        SeenWindows(sight).posterior(late)
