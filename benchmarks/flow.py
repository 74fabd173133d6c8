"""Eight seconds of sound by rectified flow on the CPU: `python -m benchmarks.flow [--size small paper]`.

Each stage of a sound, best of several, on all cores: 25 steps with guidance (two passes of the field each), the decoder
of the latent, the vocoder. The floor is the field's multiplications alone at the rate at which this machine multiplies
large matrices. Weights are random: they change no time. Ratios are of 8 s of sound to the time. Writes metrics.json to
--out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks._bench import best, parser
from foley_common.metrics_file import write_metrics
from foley_synthesis.flow.networks import autoencoder
from foley_synthesis.flow.networks.mel import BINS, GriffinLim
from foley_synthesis.flow.networks.rectified_flow import SampleConfig, sample
from foley_synthesis.flow.networks.vector_field import ACTION_DIMS, SIZES, FieldConfig, VectorField
from foley_synthesis.flow.windows import LATENT_FRAMES, MEL_FRAMES

SECONDS = 8.0
VISION = {"paper": 3 * 512, "small": 3 * 1280}  # CLIP's numbers; EfficientNet-Lite0's


def flops(config: FieldConfig, frames: int) -> float:
    """Of one pass: twice the multiplications of its matrices and of attention."""
    block = 2 * (4 * config.width**2 + 2 * frames * config.width)
    block += 3 * config.expansion * config.width**2 * config.kernel
    ends = (config.latent + config.condition) * config.width + config.width * config.latent
    return 2.0 * frames * (config.depth * block + ends)


def matrix_rate(size: int = 2048) -> float:
    """Floating-point operations a second of a large product."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2.0 * size**3 / best(lambda: a @ b, 5)


@torch.no_grad()
def measure(size: str, repeats: int, rate: float) -> dict[str, Any]:
    field = VectorField(SIZES[size](VISION[size])).eval()
    coder = autoencoder.MelAutoencoder(autoencoder.SIZES[size]).eval()
    drawn, vocoder = SampleConfig(), GriffinLim()
    noise = torch.randn(1, field.config.latent, LATENT_FRAMES)
    vision, action = torch.randn(1, 32, VISION[size]), torch.randn(1, 240, ACTION_DIMS)

    def flow() -> torch.Tensor:
        known = field.condition(vision, action, LATENT_FRAMES)
        return sample(field, noise, known, field.null_condition(1, LATENT_FRAMES), drawn)

    latent, mel = flow(), torch.rand(BINS, MEL_FRAMES).mul(1.5).sub(1.0).numpy()
    stages = {
        "flow": best(flow, repeats),
        "decoder": best(lambda: coder.decode(latent), repeats),
        "vocoder": best(lambda: vocoder.waveform(mel), repeats),
    }
    total, floor = sum(stages.values()), 2 * drawn.steps * flops(field.config, LATENT_FRAMES) / rate
    return {
        "parameters": sum(p.numel() for p in field.parameters()),
        "gflop_a_pass": flops(field.config, LATENT_FRAMES) / 1e9,
        "seconds": stages,
        "total_s": total,
        "times_real_time": SECONDS / total,
        "share": {name: value / total for name, value in stages.items()},
        "floor_s": floor,
        "flow_over_floor": stages["flow"] / floor,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("flow", __doc__)
    options.add_argument("--size", nargs="+", default=["small", "paper"], choices=list(VISION))
    options.add_argument("--repeats", type=int, default=3)
    args = options.parse_args(arguments)
    rate = matrix_rate()
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "gflop_per_s": rate / 1e9}
    table = Table(
        "size",
        "weights",
        "GFLOP a pass",
        "flow [s]",
        "over the floor",
        "decoder",
        "vocoder",
        "x real time",
    )
    for size in args.size:
        one = figures[size] = measure(size, args.repeats, rate)
        cells = [f"{one['seconds'][name]:.2f}" for name in ("flow", "decoder", "vocoder")]
        table.add_row(
            size,
            f"{one['parameters'] / 1e6:.1f} M",
            f"{one['gflop_a_pass']:.1f}",
            cells[0],
            f"{one['flow_over_floor']:.1f} x",
            *cells[1:],
            f"{one['times_real_time']:.2f}",
        )
    Console().print(table)
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
