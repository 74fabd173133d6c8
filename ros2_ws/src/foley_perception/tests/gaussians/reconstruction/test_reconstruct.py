"""A scan to a scene: it gets better, stops, goes on, is stored, and refuses what cannot work."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from foley_perception.commands import scene as command
from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.ply import PlyError, load_ply, save_ply
from foley_perception.gaussians.reconstruction.coverage import seen_elsewhere
from foley_perception.gaussians.reconstruction.initialise import at_random, focus, from_depth
from foley_perception.gaussians.reconstruction.optimise import Optimisation, OptimiseConfig, Target, targets
from foley_perception.gaussians.reconstruction.reconstruct import reconstruct
from foley_perception.gaussians.reconstruction.surface import write_surface
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.analytic import render_picture, ring_of_cameras, write_scan
from foley_perception.scene.scan import Scan, ScanError, read_scan

CPU = torch.device("cpu")
QUICK = OptimiseConfig(steps=30, voxel=0.02)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return read_scan(write_scan(tmp_path_factory.mktemp("scan") / "ring", ring_of_cameras(32)))


@pytest.mark.long
@pytest.mark.slow
def test_it_gets_better_and_is_stored(scan: Scan, tmp_path: Path) -> None:
    result = reconstruct(scan, tmp_path, QUICK, device=CPU)
    assert result.finished and result.step == 30 and result.views == 28 and result.held_out == 4
    assert result.psnr > 24 and result.psnr > result.start_psnr + 0.5
    assert result.seen > 0.9 and result.psnr_seen > result.psnr - 0.5
    stored = load_ply(tmp_path / "scene.ply")
    assert len(stored) == result.gaussians
    manifest = json.loads((tmp_path / "scene.json").read_text())
    assert manifest["result"]["psnr"] == pytest.approx(result.psnr) and len(manifest["cameras"]) == 32
    assert cv2.imread(str(tmp_path / "held_out.png")).shape == (3 * 48, 3 * 64, 3)
    # Depth is right where the scene is covered.
    held = scan.views[0]
    drawn = render(stored, held.camera)
    assert held.depth is not None
    error = (drawn.depth.numpy() - held.depth())[drawn.alpha.numpy() > 0.99]
    assert float(np.nanmedian(np.abs(error))) < 0.02


def test_what_no_other_view_has_seen_is_known() -> None:
    """Two cameras side by side: the second has not seen the strip at the left of the first."""
    views = read_views()
    seen = seen_elsewhere(views[0], views[1:])
    assert seen is not None and seen.shape == (48, 64)
    share = seen.float().mean(dim=0)
    assert share[:6].max() == 0 and share[24:].mean() > 0.9
    assert seen_elsewhere(views[0], [views[0]]).float().mean() > 0.95
    assert not seen_elsewhere(views[0], []).any()
    assert seen_elsewhere(dataclasses.replace(views[0], depth=None), views[1:]) is None
    # A wall of boxes before the camera hides what is behind it.
    near = dataclasses.replace(views[0], depth=torch.full((48, 64), 0.1))
    assert not seen_elsewhere(views[0], [near]).any()


def read_views() -> list[Target]:
    found = []
    for x in (0.0, 0.12):
        eye, target = (x, -0.6, 0.5), (x, 0.0, 0.0)
        camera = CameraModel.looking_at(eye, target, width=64, height=48, fovy_deg=40.0)
        rgb, depth = render_picture(camera)
        found.append(Target(str(x), camera, torch.from_numpy(rgb).float() / 255, torch.from_numpy(depth)))
    return found


@pytest.mark.long
def test_a_random_start_learns_too(scan: Scan, tmp_path: Path) -> None:
    config = OptimiseConfig(start="random", steps=150, random_count=2000)
    result = reconstruct(scan, tmp_path, config, device=CPU)
    assert result.psnr > result.start_psnr + 2


@pytest.mark.parametrize("start", ["random", "rgbd"])
def test_what_was_guessed_is_doubted_now_and_then(scan: Scan, start: str) -> None:
    config = OptimiseConfig(start=start, steps=200, random_count=500).on(CPU)  # type: ignore[arg-type]
    run = Optimisation(
        at_random([view.camera for view in scan.views], 500, np.random.default_rng(0)), 0.6, config
    )
    target = targets(list(scan.views[:1]), 0, CPU)[0]
    opaque = []
    for _ in range(32):
        run.params["opacities"].data.fill_(2.0)
        run.advance(target)
        opaque.append(float(run.gaussians.opacities.max()) > 0.1)
    # Every 30 steps, after the 31st step has begun; never where depth said what is there.
    assert opaque == [True] * 30 + [start == "rgbd", True]


def test_a_stopped_run_goes_on_as_if_it_had_not(scan: Scan, tmp_path: Path) -> None:
    whole = reconstruct(scan, tmp_path / "whole", QUICK, device=CPU)
    stopped = reconstruct(scan, tmp_path / "parts", QUICK, device=CPU, progress=lambda step, *rest: step < 12)
    assert stopped.step == 12 and not stopped.finished
    resumed = reconstruct(scan, tmp_path / "parts", QUICK, device=CPU, resume=True)
    assert resumed.finished and resumed.start_psnr == whole.start_psnr
    assert resumed.psnr == pytest.approx(whole.psnr, abs=0.05)
    assert [point[0] for point in resumed.curve] == sorted({point[0] for point in resumed.curve})
    with pytest.raises(ScanError, match="of another scan or configuration"):
        reconstruct(scan, tmp_path / "parts", dataclasses.replace(QUICK, seed=1), device=CPU, resume=True)
    (tmp_path / "parts" / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(ScanError, match="cannot be resumed"):
        reconstruct(scan, tmp_path / "parts", QUICK, device=CPU, resume=True)


def test_without_held_out_views_there_is_no_quality(scan: Scan, tmp_path: Path) -> None:
    result = reconstruct(scan, tmp_path, dataclasses.replace(QUICK, steps=3, hold_out=0), device=CPU)
    assert result.psnr is None and result.start_psnr is None and result.views == 32
    json.dumps(result.figures, allow_nan=False)
    assert "NaN" not in (tmp_path / "scene.json").read_text() and not (tmp_path / "held_out.png").exists()


def test_a_budget_of_time_stops_it(scan: Scan, tmp_path: Path) -> None:
    result = reconstruct(scan, tmp_path, QUICK, device=CPU, budget_s=1e-3)
    assert result.step == 1 and not result.finished and load_ply(tmp_path / "scene.ply")


def test_growth_and_pruning_keep_the_state_whole(scan: Scan, tmp_path: Path) -> None:
    """Past the strategy's refinements, and through a saved state."""
    config = OptimiseConfig(start="random", steps=400, random_count=300).on(CPU)
    from foley_perception.gaussians.reconstruction.initialise import at_random
    from foley_perception.gaussians.reconstruction.optimise import targets

    cameras = [view.camera for view in scan.views]
    run = Optimisation(at_random(cameras, 300, np.random.default_rng(0)), focus(cameras)[1], config)
    pictures = targets(list(scan.views[:6]), 0, CPU)
    for step in range(70):
        run.advance(pictures[step % 6])
    assert len(run) > 300
    run.save(tmp_path / "state.safetensors")
    again, notes = Optimisation.load(tmp_path / "state.safetensors", CPU)
    assert notes == {}
    assert again.step == 70 and len(again) == len(run)
    first, second = run.advance(pictures[0]), again.advance(pictures[0])
    assert first == pytest.approx(second, abs=1e-3)


def test_without_depth_a_start_from_depth_is_refused(scan: Scan, tmp_path: Path) -> None:
    blind = dataclasses.replace(
        scan, views=tuple(dataclasses.replace(view, depth=None) for view in scan.views)
    )
    with pytest.raises(ScanError, match="no view has depth; use --start random"):
        reconstruct(blind, tmp_path, QUICK, device=CPU)
    far = [
        dataclasses.replace(view, depth=lambda: np.full((48, 64), np.nan, np.float32)) for view in scan.views
    ]
    with pytest.raises(ScanError, match=r"show 0 usable points"):
        from_depth(far, voxel=0.02, limit=1000)


def test_views_that_cannot_work_are_refused(scan: Scan, tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="5 usable views, at least 8"):
        reconstruct(dataclasses.replace(scan, views=scan.views[:5]), tmp_path, QUICK, device=CPU)
    still = dataclasses.replace(scan, views=scan.views[:1] * 12)
    with pytest.raises(ScanError, match=r"camera moves 0\.0 cm"):
        reconstruct(still, tmp_path, OptimiseConfig(start="random", steps=5), device=CPU)
    wrong = dataclasses.replace(scan.views[0], camera=ring_of_cameras(1, 32, 24)[0])
    with pytest.raises(ScanError, match="picture 000 is 64x48, its camera 32x24"):
        reconstruct(dataclasses.replace(scan, views=(wrong, *scan.views[1:])), tmp_path, QUICK, device=CPU)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start", "best"),
        ("steps", -1),
        ("voxel", 0.0),
        ("hold_out", 1),
        ("sh_degree", 4),
        ("random_count", 5),
    ],
)
def test_a_bad_configuration_names_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        OptimiseConfig(**{field: value})  # type: ignore[arg-type]


def test_focus_is_what_the_cameras_look_at() -> None:
    centre, radius = focus(ring_of_cameras(12))
    np.testing.assert_allclose(centre, (0, 0, 0.03), atol=0.02)
    assert 0.6 < radius < 0.9
    same = [CameraModel.looking_at((0, -1, 1), (0, 0, 0), width=8, height=8, fovy_deg=40.0)] * 3
    assert np.isfinite(focus(same)[0]).all()


def test_surfaces_for_planners(scan: Scan, tmp_path: Path) -> None:
    import open3d as o3d

    counts = write_surface(scan, tmp_path, voxel=0.01, cloud_voxel=0.02, every=1)
    mesh = o3d.io.read_triangle_mesh(str(tmp_path / "mesh.ply"))
    assert len(mesh.triangles) == counts["triangles"] > 100
    points = np.asarray(o3d.io.read_point_cloud(str(tmp_path / "cloud.ply")).points)
    assert len(points) == counts["points"]
    on_top = points[(np.abs(points[:, 0] + 0.085) < 0.05) & (np.abs(points[:, 1] + 0.025) < 0.05)]
    assert float(np.median(on_top[:, 2])) == pytest.approx(0.12, abs=0.012)
    with pytest.raises(ScanError, match=r"nothing is nearer than 0\.1 m"):
        write_surface(scan, tmp_path, max_depth=0.1)


# ---- files -------------------------------------------------------------------------------------------------
def some(count: int, degree: int) -> Gaussians:
    g = torch.Generator().manual_seed(count)
    means, quats, sh = (
        torch.randn(count, *more, generator=g) for more in ((3,), (4,), ((degree + 1) ** 2, 3))
    )
    opacities = 0.1 + 0.8 * torch.rand(count, generator=g)
    return Gaussians(means, quats, 0.01 + torch.rand(count, 3, generator=g), opacities, sh)


@pytest.mark.parametrize("degree", [0, 2, 3])
def test_ply_gives_back_what_was_saved(tmp_path: Path, degree: int) -> None:
    gaussians = some(40, degree)
    save_ply(gaussians, tmp_path / "a.ply")
    back = load_ply(tmp_path / "a.ply")
    for name in ("means", "quats", "scales", "opacities", "sh"):
        torch.testing.assert_close(getattr(back, name), getattr(gaussians, name), rtol=1e-5, atol=1e-6)
    import open3d as o3d

    assert len(o3d.io.read_point_cloud(str(tmp_path / "a.ply")).points) == 40


def test_gsplats_own_export_is_read(tmp_path: Path) -> None:
    gsplat = pytest.importorskip("gsplat")
    g = some(25, 3)
    gsplat.export_splats(
        g.means,
        g.scales.log(),
        g.quats,
        torch.logit(g.opacities),
        g.sh[:, :1],
        g.sh[:, 1:],
        save_to=str(tmp_path / "b.ply"),
    )
    back = load_ply(tmp_path / "b.ply")
    torch.testing.assert_close(back.means, g.means)
    torch.testing.assert_close(back.sh, g.sh)


def test_files_that_are_no_gaussians_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ply").write_text("not a ply")
    with pytest.raises(PlyError, match="cannot be read"):
        load_ply(tmp_path / "text.ply")
    (tmp_path / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "end_header\n0 0 0\n"
    )
    with pytest.raises(PlyError, match="`f_dc_0` is missing"):
        load_ply(tmp_path / "points.ply")
    odd = "ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n1 0\n"
    for content in (
        odd,
        odd.replace("face", "vertex"),
        odd.replace("ascii", "morse"),
        "ply\n",
        "ply\nend_header\n",
    ):
        (tmp_path / "odd.ply").write_text(content)
        with pytest.raises(PlyError, match="cannot be read"):
            load_ply(tmp_path / "odd.ply")
    gaussians = some(4, 1)
    save_ply(gaussians, tmp_path / "whole.ply")
    data = (tmp_path / "whole.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(data[:-20])
    with pytest.raises(PlyError, match="cannot be read"):
        load_ply(tmp_path / "cut.ply")
    with pytest.raises(PlyError, match="x of 1 Gaussians is not finite"):
        bad = gaussians.means.clone()
        bad[2, 0] = np.nan
        save_ply(dataclasses.replace(gaussians, means=bad), tmp_path / "nan.ply")
    assert not (tmp_path / "nan.ply").exists()
    with pytest.raises(PlyError, match="no Gaussians to save"):
        save_ply(gaussians[:0], tmp_path / "none.ply")


# ---- the command -------------------------------------------------------------------------------------------
def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


def test_the_command_reconstructs_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write_scan(tmp_path / "scan", ring_of_cameras(16)), tmp_path / "scene"
    assert (
        run("reconstruct", str(folder), "--out", str(out), "--steps", "10", "--voxel", "0.03", "--mesh") == 0
    )
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["psnr"] > 20 and figures["step"] == 10 and figures["surface"]["triangles"] > 0
    view = tmp_path / "view.png"
    assert run("render", str(out), "--eye", "0", "0", "0.8", "--size", "80", "60", "--to", str(view)) == 0
    assert cv2.imread(str(view)).shape == (60, 80, 3)
    assert "held out:" in capsys.readouterr().out
    words = ("reconstruct", str(folder), "--out", str(tmp_path / "all"), "--steps", "3", "--hold-out", "0")
    assert run(*words) == 0 and "no view was held out" in capsys.readouterr().out
    assert run("reconstruct", str(tmp_path / "nowhere")) == 2
    assert "foley scene: error" in capsys.readouterr().err
    assert run("render", str(folder), "--eye", "0", "0", "1") == 2


def test_ctrl_c_keeps_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.progress import Progress

    def interrupted(bar: Progress, task: object, *, completed: float = 0, **_: object) -> None:
        if completed == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    folder, out = write_scan(tmp_path / "scan", ring_of_cameras(16)), tmp_path / "scene"
    words = ("reconstruct", str(folder), "--out", str(out), "--voxel", "0.03", "--steps", "12")
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "update", interrupted)
        assert run(*words) == 0
    assert "stopped at step 4; the same command with --resume goes on" in capsys.readouterr().out
    assert (out / "scene.ply").is_file()
    assert run(*words, "--resume") == 0 and "12 steps" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) == before
