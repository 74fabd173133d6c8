"""A frame of /tf_static that is told to be elsewhere while it is recorded."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foley_perception.audit.finding import Severity
from foley_perception.dataset.build import build_dataset
from foley_perception.dataset.reader import ClipDataset
from foley_perception.episodes import EpisodeError, read_episode

START = 1_800_000_000_000_000_000
MakeBag = Callable[..., Path]


def again(child: str, at: float, stamped: float, **changes: Any) -> Callable[..., list[Any]]:
    """tf_static once more, with a frame 0.2 m further along x, or as `changes` say."""

    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        if topic != "/tf_static":
            return [(arrival, topic, kind, message)]
        more = copy.deepcopy(message)
        for one in more.transforms:
            stamp = START + round(stamped * 1e9)
            one.header.stamp.sec, one.header.stamp.nanosec = stamp // 10**9, stamp % 10**9
            if one.child_frame_id == child:
                one.transform.translation.x += changes.get("x", 0.2)
                one.header.frame_id = changes.get("parent", one.header.frame_id)
        return [(arrival, topic, kind, message), (START + round(at * 1e9), topic, kind, more)]

    return edit


@pytest.mark.parametrize(
    "stamped", [2.5, 0.0, -100.0]
)  # as it is told; with the stamp of before; older still
def test_poses_before_a_frame_is_set_elsewhere_lie_where_they_were(make_bag: MakeBag, stamped: float) -> None:
    episode = read_episode(make_bag(base="static", edit=again("base_link", 2.5, stamped)))
    times, tips = episode.tip_path
    before = times < START + 2_500_000_000
    np.testing.assert_allclose(tips[before, 0], 0.05, atol=1e-9)
    np.testing.assert_allclose(tips[~before, 0], 0.25, atol=1e-9)
    (found,) = (f for f in episode.findings if f.topic == "/tf_static")
    assert (found.rule, found.severity, found.time_ns) == (
        "static_changed",
        Severity.PROBLEM,
        START + 2_500_000_000,
    )
    assert "`base_link` is told elsewhere in `world` at 2.500 s, by 200.0 mm" in str(found)


def test_a_data_set_has_each_contact_under_its_own_transform(make_bag: MakeBag, tmp_path: Path) -> None:
    bag = make_bag(base="static", truth=False, edit=again("base_link", 2.5, 2.5))
    report = build_dataset([bag], tmp_path / "set", workers=1)
    at = [clip.position[0] for clip in ClipDataset(tmp_path / "set").clips]
    np.testing.assert_allclose(at, [0.05, 0.05, 0.25], atol=2e-3)
    assert "is told elsewhere in `world` at 2.500 s" in str(report)


def test_a_camera_that_is_set_elsewhere_stands_where_it_stood(make_bag: MakeBag) -> None:
    episode = read_episode(make_bag(edit=again("camera_optical", 2.5, 2.5)))
    for at, x in ((1.0, 0.0), (2.4, 0.0), (2.6, 0.2), (3.9, 0.2)):
        camera = episode.camera_at(START + round(at * 1e9))
        np.testing.assert_allclose(camera.tx_world_camera.translation, (x, 0, 1), atol=1e-9)


@pytest.mark.parametrize("stamped", [0.0, 2.5, -100.0])
def test_the_same_told_again_is_nothing_to_tell(make_bag: MakeBag, stamped: float) -> None:
    episode = read_episode(make_bag(base="static", edit=again("base_link", 2.5, stamped, x=1e-6)))
    assert not episode.findings and not episode.problems
    np.testing.assert_allclose(episode.tip_path[1][:, 0], 0.05, atol=2e-6)
    assert episode.camera is not None


def test_a_frame_of_two_parents_is_in_neither(make_bag: MakeBag) -> None:
    bag = make_bag(base="static", edit=again("base_link", 2.5, 2.5, parent="camera_optical"))
    with pytest.raises(EpisodeError, match=r"ee_pose: its poses are in `base_link`"):
        read_episode(bag)


def test_a_tool_with_two_tips_is_an_error(make_bag: MakeBag) -> None:
    with pytest.raises(
        EpisodeError, match=r"the tip `tip` is not at one place of the tool `tool` .* at 2\.500 s"
    ):
        read_episode(make_bag(edit=again("tip", 2.5, 2.5)))
