"""Gaussians fitted to pictures: losses, step, densification by `gsplat`'s strategy, and a state that can be resumed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from foley_perception.gaussians.gaussians import Gaussians
from foley_perception.gaussians.rendering.render import Rendered, render
from foley_perception.geometry.camera import CameraModel
from foley_perception.scene.scan import ScanError, View

Start = Literal["rgbd", "random"]


@dataclasses.dataclass(frozen=True)
class OptimiseConfig:
    """How Gaussians are fitted. Zero means: the default of the device (20,000 steps on CUDA as in Hearing Hands).

    Raises:
        ValueError: a field has a value that cannot work; the message names it.
    """

    start: Start = "rgbd"
    steps: int = 0  # CUDA 20,000; CPU 400
    voxel: float = 0.006  # [m] of the RGB-D start
    random_count: int = 10_000  # of the random start
    max_gaussians: int = 0  # no growth once there are so many: CUDA 1,000,000, CPU 100,000
    width: int = 320  # [pixel] wider pictures are reduced to it; 0: as they are
    sh_degree: int = -1  # CUDA 3, CPU 0
    hold_out: int = 8  # every so many views are kept for evaluation; 0: none
    ssim_weight: float = 0.2
    depth_weight: float = 0.1  # of the depth's error in metres
    scale_ratio: float = 10.0  # longer Gaussians than this are pulled in (PhysGaussian, Xie et al. 2024)
    scale_weight: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start not in ("rgbd", "random"):
            raise ValueError(f"start is `{self.start}`, must be rgbd or random")
        if (
            self.steps < 0
            or self.random_count < 100
            or (self.max_gaussians < 100 and self.max_gaussians != 0)
        ):
            raise ValueError(
                f"steps is {self.steps}, max_gaussians {self.max_gaussians}, random_count {self.random_count}: need "
                "0 (default) or more steps, and at least 100 Gaussians"
            )
        if not 0 < self.voxel < 1:
            raise ValueError(f"voxel is {self.voxel} m, must be within (0, 1)")
        if (
            self.width < 0
            or self.hold_out < 0
            or self.hold_out == 1
            or self.sh_degree not in (-1, 0, 1, 2, 3)
        ):
            raise ValueError(
                f"width is {self.width}, hold_out {self.hold_out}, sh_degree {self.sh_degree}: need width >= 0, "
                "hold_out 0 or at least 2, sh_degree -1 (default) to 3"
            )

    def on(self, device: torch.device) -> OptimiseConfig:
        """The same with every default filled in for a device."""
        cuda = device.type == "cuda"
        return dataclasses.replace(
            self,
            steps=self.steps or (20_000 if cuda else 400),
            max_gaussians=self.max_gaussians or (1_000_000 if cuda else 100_000),
            sh_degree=self.sh_degree if self.sh_degree >= 0 else (3 if cuda else 0),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A picture to be matched: its camera, colour [H, W, 3] in [0, 1] and depth [H, W] (NaN unknown) or None."""

    name: str
    camera: CameraModel
    rgb: Tensor
    depth: Tensor | None


def targets(views: list[View], width: int, device: torch.device) -> list[Target]:
    """Views decoded and brought to a width.

    Raises:
        ScanError: a picture has another size than its camera.
    """
    found = []
    for view in views:
        rgb, camera = view.rgb(), view.camera
        if rgb.shape != (camera.height, camera.width, 3):
            raise ScanError(
                f"picture {view.name} is {rgb.shape[1]}x{rgb.shape[0]}, its camera {camera.width}x{camera.height}; "
                "camera_info, or transforms.json, is of another resolution"
            )
        if 0 < width < camera.width:
            size = (width, max(1, round(camera.height * width / camera.width)))
            camera = camera.scaled(*size)
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        depth = None
        if view.depth is not None:
            nearest = cv2.resize(view.depth(), (camera.width, camera.height), interpolation=cv2.INTER_NEAREST)
            depth = torch.from_numpy(np.ascontiguousarray(nearest)).to(device)
        found.append(Target(view.name, camera, torch.from_numpy(rgb).to(device).float() / 255, depth))
    return found


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal to noise ratio [dB] of colours in [0, 1]."""
    return -10.0 * math.log10(max(float(((image.clamp(0, 1) - truth) ** 2).mean()), 1e-12))


class Quality(NamedTuple):
    """How well held-out pictures are drawn."""

    psnr: float  # [dB]
    ssim: float
    psnr_seen: float  # [dB] over what other views have seen
    seen: float  # share of pixels that these are


# gsplat's own rates for the parameters that it keeps; that of the means is in scene sizes and falls to a hundredth.
_RATES = {
    "means": 1.6e-4,
    "scales": 5e-3,
    "quats": 1e-3,
    "opacities": 5e-2,
    "sh0": 2.5e-3,
    "shN": 2.5e-3 / 20,
}

_PRUNE_SCALE = 5.0
"""Gaussians larger than this many scene sizes go: what stands far behind the table must be large."""


class Optimisation:
    """Gaussians that are being fitted.

    Args:
        start: where they begin.
        scene_scale: size of the scene [m], the unit of steps and of what counts as large.
        config: with every default filled in (:meth:`OptimiseConfig.on`).
    """

    def __init__(self, start: Gaussians, scene_scale: float, config: OptimiseConfig) -> None:
        from gsplat import DefaultStrategy

        self.config, self.scene_scale, self.step = config, scene_scale, 0
        coefficients = (config.sh_degree + 1) ** 2
        sh = torch.zeros(len(start), coefficients, 3).to(start.sh)
        sh[:, : start.sh.shape[1]] = start.sh[:, :coefficients]
        values = {
            "means": start.means,
            "scales": start.scales.log(),
            "quats": start.quats,
            "opacities": torch.logit(start.opacities.clamp(1e-4, 1 - 1e-4)),
            "sh0": sh[:, :1],
            "shN": sh[:, 1:],
        }
        self.params = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(v.detach().clone()) for k, v in values.items()}
        )
        self._optimisers = self._make_optimisers()
        steps = config.steps
        self._strategy = DefaultStrategy(
            prune_scale3d=_PRUNE_SCALE,
            # A start from depth is disturbed more than helped by growth within few steps.
            refine_start_iter=500 if config.start == "rgbd" else max(20, min(500, round(0.1 * steps))),
            refine_stop_iter=round(0.75 * steps),
            refine_every=max(10, min(100, round(0.05 * steps))),
            reset_every=max(30, round(0.15 * steps)),
        )
        self._strategy.check_sanity(self.params, self._optimisers)
        self._state: dict[str, Any] = self._strategy.initialize_state(scene_scale=scene_scale)

    def _make_optimisers(self) -> dict[str, torch.optim.Optimizer]:
        rates = {**_RATES, "means": _RATES["means"] * self.scene_scale * self._haste}
        return {name: torch.optim.Adam([self.params[name]], lr=rates[name], eps=1e-15) for name in rates}

    @property
    def _haste(self) -> float:
        """Few steps must be longer: by the root of how many fewer they are than half of 20,000, up to five times."""
        return min(5.0, math.sqrt(max(1.0, 20_000 / self.config.steps) / 2))

    @property
    def gaussians(self) -> Gaussians:
        """The scene as it is now, differentiable."""
        p = self.params
        return Gaussians(
            p["means"],
            p["quats"],
            p["scales"].exp(),
            p["opacities"].sigmoid(),
            torch.cat([p["sh0"], p["shN"]], dim=1),
        )

    def __len__(self) -> int:
        return int(self.params["means"].shape[0])

    def advance(self, target: Target) -> float:
        """One step towards one picture; PSNR [dB] before it.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        drawn = render(self.gaussians, target.camera)
        self._strategy.step_pre_backward(self.params, self._optimisers, self._state, self.step, drawn.info)
        loss = self._loss(drawn, target)
        if not bool(loss.detach().isfinite()):
            raise FloatingPointError(
                f"the loss is {float(loss.detach())} at step {self.step}, view {target.name}; is that picture or its "
                "pose damaged?"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        falling = 0.01 ** (self.step / self.config.steps)
        self._optimisers["means"].param_groups[0]["lr"] = (
            _RATES["means"] * self.scene_scale * self._haste * falling
        )
        for optimiser in self._optimisers.values():
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if len(self) < self.config.max_gaussians or self.step % self._strategy.refine_every:
            self._strategy.step_post_backward(
                self.params, self._optimisers, self._state, self.step, drawn.info
            )
        self._reset_opacities()
        self.step += 1
        return psnr(drawn.rgb.detach(), target.rgb)

    def _reset_opacities(self) -> None:
        """Make all see-through now and then, so that what is not needed stays so and is pruned (Kerbl et al. 2023).

        DefaultStrategy of gsplat 1.5.3 means to, and does not: `step % reset_every == 0 & step > 0` is never true.
        Surfaces that depth images showed are not doubted.
        """
        from gsplat.strategy.ops import reset_opa

        strategy, due = self._strategy, self.step > 0 and self.step % self._strategy.reset_every == 0
        if self.config.start == "random" and due and self.step < strategy.refine_stop_iter:
            reset_opa(
                params=self.params,
                optimizers=self._optimisers,
                state=self._state,
                value=2.0 * strategy.prune_opa,
            )

    def _loss(self, drawn: Rendered, target: Target) -> Tensor:
        from pytorch_msssim import ssim

        c = self.config
        loss = (1 - c.ssim_weight) * (drawn.rgb - target.rgb).abs().mean()
        if c.ssim_weight:
            pair = (image.permute(2, 0, 1)[None] for image in (drawn.rgb, target.rgb))
            loss = loss + c.ssim_weight * (1 - ssim(*pair, data_range=1.0))
        if c.depth_weight and target.depth is not None:
            known = target.depth.isfinite()
            if bool(known.any()):
                error = (drawn.depth - target.depth.nan_to_num(0.0)).abs() * drawn.alpha.detach()
                loss = loss + c.depth_weight * error[known].clamp(max=0.5).mean()
        if c.scale_weight:
            longest = self.params["scales"].amax(-1) - self.params["scales"].amin(-1)
            loss = loss + c.scale_weight * (longest.exp().clamp(max=1e4) - c.scale_ratio).clamp(min=0).mean()
        return loss

    @torch.no_grad()
    def evaluate(self, held_out: list[Target], seen: Sequence[Tensor | None] = ()) -> Quality:
        """Means over pictures; NaN where there are none.

        Args:
            seen: for each picture which pixels [H, W] other views have seen too, where that is known.
        """
        from pytorch_msssim import ssim

        found = []
        for target, mask in itertools.zip_longest(held_out, seen):
            image = render(self.gaussians, target.camera).rgb.clamp(0, 1)
            pair = (value.permute(2, 0, 1)[None] for value in (image, target.rgb))
            known = psnr(image[mask], target.rgb[mask]) if mask is not None and bool(mask.any()) else math.nan
            share = math.nan if mask is None else float(mask.float().mean())
            found.append((psnr(image, target.rgb), float(ssim(*pair, data_range=1.0)), known, share))
        if not found:
            return Quality(math.nan, math.nan, math.nan, math.nan)
        columns = np.array(found)
        return Quality(
            *(float(c[np.isfinite(c)].mean()) if np.isfinite(c).any() else math.nan for c in columns.T)
        )

    # ---- to be resumed -------------------------------------------------------------------------------------
    def save(self, path: Path, notes: dict[str, Any] | None = None) -> None:
        """Parameters, moments, statistics of densification and notes of the caller, whole or not at all."""
        from safetensors.torch import save_file

        tensors = {f"param.{name}": value.detach() for name, value in self.params.items()}
        for name, optimiser in self._optimisers.items():
            for key, value in optimiser.state[self.params[name]].items():
                tensors[f"adam.{name}.{key}"] = torch.as_tensor(value)
        tensors |= {f"strategy.{k}": v for k, v in self._state.items() if isinstance(v, torch.Tensor)}
        part = path.with_name(path.name + ".part")
        head = {
            "step": self.step,
            "scene_scale": self.scene_scale,
            "config": dataclasses.asdict(self.config),
            "notes": notes or {},
        }
        save_file(
            {k: v.cpu().contiguous() for k, v in tensors.items()}, part, metadata={"foley": json.dumps(head)}
        )
        part.replace(path)

    @staticmethod
    def load(path: Path, device: torch.device) -> tuple[Optimisation, dict[str, Any]]:
        """What :meth:`save` wrote, and the notes.

        Raises:
            ScanError: the file is damaged or of something else.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                head = json.loads((file.metadata() or {})["foley"])
                tensors = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118
            config = OptimiseConfig(**head["config"])
            p = {name: tensors[f"param.{name}"] for name in _RATES}
            start = Gaussians(
                p["means"],
                p["quats"],
                p["scales"].exp(),
                p["opacities"].sigmoid(),
                torch.cat([p["sh0"], p["shN"]], 1),
            )
            found = Optimisation(start, float(head["scene_scale"]), config)
            found.step, notes = int(head["step"]), dict(head["notes"])
            for name, value in p.items():
                found.params[name].data.copy_(value)
            for name, optimiser in found._optimisers.items():
                state = {k.rsplit(".", 1)[1]: v for k, v in tensors.items() if k.startswith(f"adam.{name}.")}
                if state:
                    state["step"] = state["step"].cpu()
                    optimiser.state[found.params[name]] = state
            for key in ("grad2d", "count"):
                found._state[key] = tensors.get(f"strategy.{key}")
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ScanError(
                f"{path}: cannot be resumed ({type(error).__name__}: {error}); delete it to start anew"
            ) from error
        return found, notes
