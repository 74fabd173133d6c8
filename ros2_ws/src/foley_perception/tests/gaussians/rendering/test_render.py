"""Gaussians drawn on the CPU against the plain definition, in value and gradient."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from foley_perception.gaussians.gaussians import SH0, Gaussians
from foley_perception.gaussians.reconstruction.optimise import Optimisation, OptimiseConfig, Target
from foley_perception.gaussians.rendering import render as render_module
from foley_perception.gaussians.rendering.reference import composite, project, render_reference, shade
from foley_perception.gaussians.rendering.render import render
from foley_perception.geometry.camera import CameraModel
from foley_perception.geometry.se3 import SE3

FIELDS = tuple(field.name for field in dataclasses.fields(Gaussians))


def scene(
    count: int, dtype: torch.dtype = torch.float64, *, degree: int = 3, scale: float = 0.05
) -> Gaussians:
    """Gaussians in front of, beside and behind a camera at the origin that looks along z."""
    g = torch.Generator().manual_seed(count)

    def even(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    means = torch.stack([even(count) * 3 - 1.5, even(count) * 3 - 1.5, even(count) * 4 - 0.5], -1)
    return Gaussians(
        means=means.to(dtype),
        quats=normal(count, 4).to(dtype),
        scales=(scale * torch.exp(0.7 * normal(count, 3))).to(dtype),
        opacities=(even(count) ** 0.3).to(dtype),
        sh=(0.3 * normal(count, (degree + 1) ** 2, 3)).to(dtype),
    )


def camera(width: int = 50, height: int = 37) -> CameraModel:
    """Not square, its axis off the middle, and turned."""
    K = np.array([[45.0, 0, 26.3], [0, 44.0, 17.1], [0, 0, 1]])
    return CameraModel(K, width, height, SE3.from_rotation_vector([0.1, 0.2, -0.1], [0.05, -0.02, -0.1]))


def plainly(gaussians: Gaussians, at: CameraModel) -> tuple[Tensor, Tensor, Tensor]:
    """Colour, expected depth and alpha by the definition."""
    viewmat = torch.as_tensor(at.tx_world_camera.inverse().matrix).to(gaussians.means)
    K = torch.as_tensor(at.K.copy()).to(gaussians.means)
    K[:2, 2] += 0.5
    rgb, depth, alpha = render_reference(gaussians, viewmat, K, at.width, at.height)
    return rgb, depth / alpha.clamp(min=1e-10), alpha


def drawn(gaussians: Gaussians, at: CameraModel) -> tuple[Tensor, Tensor, Tensor]:
    """The same as it is image."""
    image = render(gaussians, at)
    return image.rgb, image.depth, image.alpha


@pytest.mark.slow  # the kernels are compiled
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_values_and_gradients_are_those_of_the_definition(degree: int) -> None:
    g = torch.Generator().manual_seed(7)
    weights = [torch.rand(37, 50, *more, generator=g, dtype=torch.float64) for more in ((3,), (), ())]
    results, gradients = [], []
    for draw in (plainly, drawn):
        leaves = [getattr(scene(150, degree=degree), name).requires_grad_() for name in FIELDS]
        images = draw(Gaussians(*leaves), camera())
        loss = sum((image * weight).sum() for image, weight in zip(images, weights, strict=True))
        assert isinstance(loss, Tensor)
        gradients.append(torch.autograd.grad(loss, leaves))
        results.append([image.detach() for image in images])
    for ours, theirs in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-9)
    for name, ours, theirs in zip(FIELDS, gradients[1], gradients[0], strict=True):
        assert float(theirs.abs().max()) > 0, name
        torch.testing.assert_close(
            ours, theirs, atol=1e-8, rtol=1e-7, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_float32_stays_close_to_float64() -> None:
    gaussians = scene(3000, scale=0.03)
    exact = plainly(gaussians, camera())[0]
    ours = render(gaussians.to(torch.float32), camera()).rgb
    decibels = -10 * float(torch.log10(((ours - exact) ** 2).mean()))
    assert decibels > 90


def test_projection_and_colour_agree_with_gsplat() -> None:
    """Its own torch functions, which run on the CPU."""
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl")
    gaussians, at = scene(400), camera()
    viewmat = torch.as_tensor(at.tx_world_camera.inverse().matrix)
    K = torch.as_tensor(at.K.copy())
    K[:2, 2] += 0.5
    covariances, _ = gsplat._quat_scale_to_covar_preci(gaussians.quats, gaussians.scales, True, False)
    radii, means2d, depths, conics, _ = gsplat._fully_fused_projection(
        gaussians.means, covariances, viewmat[None], K[None], at.width, at.height
    )
    ours = project(gaussians, viewmat, K, at.width, at.height)
    visible = (radii[0] > 0).all(-1)
    assert 20 < int(visible.sum()) < 400
    torch.testing.assert_close(ours[0][visible], means2d[0][visible])
    torch.testing.assert_close(ours[1][visible], depths[0][visible])
    torch.testing.assert_close(ours[2][visible], conics[0][visible], rtol=1e-6, atol=1e-9)
    eye = torch.as_tensor(at.tx_world_camera.translation.copy())
    theirs = gsplat._spherical_harmonics(3, gaussians.means - eye, gaussians.sh) + 0.5
    torch.testing.assert_close(shade(gaussians, viewmat), theirs.clamp(min=0))


def test_one_gaussian_lies_where_the_camera_projects_it() -> None:
    at = camera()
    point = at.unproject([20.0, 11.0], 2.0)
    one = Gaussians(
        torch.from_numpy(point)[None],
        torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64),
        torch.full((1, 3), 1e-3, dtype=torch.float64),
        torch.tensor([0.9], dtype=torch.float64),
        torch.full((1, 1, 3), 0.5 / SH0, dtype=torch.float64),
    )
    image = render(one, at, background=(0.0, 0.0, 1.0))
    v, u = np.unravel_index(int(image.alpha.argmax()), image.alpha.shape)
    assert (u, v) == (20, 11)
    assert float(image.alpha[11, 20]) == pytest.approx(0.9)
    assert float(image.depth[11, 20]) == pytest.approx(2.0)
    assert image.rgb[11, 20].tolist() == pytest.approx([0.9, 0.9, 1.0])
    assert image.rgb[0, 0].tolist() == [0.0, 0.0, 1.0] and float(image.alpha[0, 0]) == 0.0


def test_nothing_to_draw_is_an_empty_picture() -> None:
    behind = scene(20)
    behind = dataclasses.replace(
        behind, means=behind.means * torch.tensor([1.0, 1.0, 0.0]) - torch.tensor([0.0, 0.0, 3.0])
    )
    for gaussians in (
        behind,
        behind[:0],
        dataclasses.replace(behind, opacities=torch.zeros(20, dtype=torch.float64)),
    ):
        image = render(gaussians, camera())
        assert float(image.alpha.max()) == 0.0 and float(image.rgb.abs().max()) == 0.0


def test_a_strategy_finds_what_it_asks_for() -> None:
    leaves = [getattr(scene(60, torch.float32), name).requires_grad_() for name in FIELDS]
    image = render(Gaussians(*leaves), camera())
    image.info["means2d"].retain_grad()
    image.rgb.mean().backward()
    gradient = image.info["means2d"].grad
    assert gradient.shape == (1, 60, 2) and float(gradient.abs().max()) > 0
    assert image.info["radii"].shape == (1, 60, 2)
    assert float(gradient[0][(image.info["radii"][0] == 0).any(-1)].abs().max()) == 0.0


def test_a_moved_scene_looks_the_same_to_a_moved_camera() -> None:
    gaussians, at = scene(100, degree=0), camera()
    move = SE3.from_rotation_vector([0.3, -1.0, 0.5], [1.0, 2.0, 3.0])
    there = dataclasses.replace(at, tx_world_camera=move @ at.tx_world_camera)
    torch.testing.assert_close(
        render(gaussians.moved(move), there).rgb, render(gaussians, at).rgb, atol=1e-8, rtol=1e-6
    )
    with pytest.raises(ValueError, match="cannot be rotated"):
        scene(5, degree=1).moved(move)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("quats", torch.zeros(5, 3), "quats has shape .5, 3., expected .5, 4."),
        ("opacities", torch.zeros(5, 1), "opacities has shape"),
        ("sh", torch.zeros(5, 5, 3), "sh has 5 coefficients"),
        (
            "scales",
            torch.zeros(5, 3, dtype=torch.float64),
            "scales is torch.float64 on cpu, means are torch.float32",
        ),
    ],
)
def test_what_does_not_fit_is_named(field: str, value: Tensor, message: str) -> None:
    good = scene(5, torch.float32)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(good, **{field: value})


@pytest.fixture
def gsplat_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`gsplat`'s own rasterization with its torch functions in place of its kernels; laying over each other is ours."""
    rendering = pytest.importorskip("gsplat.rendering")
    from gsplat.cuda import _torch_impl as plain

    def fused(
        means: Tensor,
        covars: None,
        quats: Tensor,
        scales: Tensor,
        viewmats: Tensor,
        Ks: Tensor,
        width: int,
        height: int,
        *,
        packed: bool,
        radius_clip: float,
        sparse_grad: bool,
        opacities: Tensor,
        **options: Any,
    ) -> Any:
        assert covars is None and not packed and not sparse_grad and radius_clip == 0
        covariances, _ = plain._quat_scale_to_covar_preci(quats, scales, True, False)
        return plain._fully_fused_projection(means, covariances, viewmats, Ks, width, height, **options)

    def pixels(
        means2d: Tensor,
        conics: Tensor,
        colors: Tensor,
        opacities: Tensor,
        width: int,
        height: int,
        tile_size: int,
        isect_offsets: Tensor,
        flatten_ids: Tensor,
        *,
        backgrounds: None,
        packed: bool,
        absgrad: bool,
    ) -> tuple[Tensor, Tensor]:
        assert backgrounds is None and not packed and not absgrad
        depths = colors[0, :, 3]
        keep = torch.zeros(len(depths), dtype=torch.bool)
        keep[torch.unique(flatten_ids.long())] = True
        image, alpha = composite(
            means2d[0], depths, conics[0], opacities[0], colors[0], keep, width, range(height)
        )
        return image[None], alpha[None, ..., None]

    changed = {
        "fully_fused_projection": fused,
        "spherical_harmonics": lambda degree, dirs, shs, masks: plain._spherical_harmonics(degree, dirs, shs),
        "isect_tiles": lambda m, r, d, size, w, h, **_: plain._isect_tiles(m, r, d, size, w, h),
        "isect_offset_encode": plain._isect_offset_encode,
        "rasterize_to_pixels": pixels,
    }
    for name, function in changed.items():
        assert hasattr(rendering, name)
        monkeypatch.setattr(rendering, name, function)


def test_what_gsplat_is_asked_for_is_what_we_draw(
    gsplat_on_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call, the order of channels and what densification is told: all of the way to CUDA but its kernels."""
    gaussians, at = scene(300, torch.float32), camera()
    ours = render(gaussians, at)
    monkeypatch.setattr(render_module, "_cpu", render_module._cuda)
    theirs = render(gaussians, at)
    torch.testing.assert_close(theirs.rgb, ours.rgb, atol=2e-3, rtol=0)
    torch.testing.assert_close(theirs.alpha, ours.alpha, atol=2e-3, rtol=0)
    solid = ours.alpha > 0.5
    torch.testing.assert_close(theirs.depth[solid], ours.depth[solid], atol=5e-3, rtol=0)
    for key in ("width", "height", "n_cameras", "radii", "means2d", "gaussian_ids"):
        assert key in theirs.info, key
        if isinstance(value := ours.info[key], Tensor):
            assert theirs.info[key].shape == value.shape, key

    # And a run that grows, prunes and goes on; in few pixels, for this renderer is slow.
    at = camera(25, 19)
    config = OptimiseConfig(start="random", steps=120, max_gaussians=2000, sh_degree=1)
    run = Optimisation(gaussians, 1.0, config)
    target = Target("0", at, torch.full((19, 25, 3), 0.5), None)
    first = run.advance(target)
    for _ in range(119):
        last = run.advance(target)
    assert last > first and len(run) != 300


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: gsplat cannot draw")
def test_cuda_draws_the_same() -> None:
    gaussians, at = scene(2000, torch.float32, scale=0.03), camera(224, 160)
    here, there = render(gaussians, at), render(gaussians.to("cuda"), at)
    torch.testing.assert_close(there.rgb.cpu(), here.rgb, atol=2e-3, rtol=0)
    torch.testing.assert_close(there.alpha.cpu(), here.alpha, atol=2e-3, rtol=0)
