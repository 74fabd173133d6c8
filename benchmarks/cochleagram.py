"""Cochleagram against others: `python -m benchmarks.cochleagram [--seconds 60] [--out out/bench_cochleagram]`.

Seconds of processor time for a minute of sound, best of three, and each over ours. The floor is one real FFT of the
whole and 42 inverse ones of the sizes used, with nothing around them. `gammatone` is the package of that name (its
FFT-free gtgram of 42 channels at 90 Hz); `torch` is Eq. 1 of Visually Indicated Sounds written plainly: per band a full
inverse FFT of the analytic signal, magnitude, mean over frames. Writes metrics.json to --out.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import numpy as np
import scipy.fft

from benchmarks._bench import best_processor, parser
from foley_common.metrics_file import write_metrics
from foley_perception.audio.cochleagram import Cochleagram, filter_responses
from foley_perception.audio.cochleagram_stream import CochleagramStream

RATE = 48_000


def floor(cochlea: Cochleagram, sound: np.ndarray) -> None:
    """The transforms alone."""
    size = scipy.fft.next_fast_len(len(sound) + int(0.05 * RATE), real=True)
    scipy.fft.rfft(sound, size)
    for band in cochlea._bank(size):
        scipy.fft.ifft(np.zeros(band.short_size, np.complex64), overwrite_x=True)


def plain_torch(cochlea: Cochleagram, sound: np.ndarray) -> np.ndarray:
    import torch

    wave = torch.from_numpy(sound)
    spectrum = torch.fft.rfft(wave)
    frequency = np.arange(len(spectrum)) * (RATE / len(wave))
    hop = RATE / cochlea.rate_hz
    frames = cochlea.frames_of(len(wave))
    rows = []
    for response in filter_responses(frequency, cochlea.highest_hz, cochlea.bands):
        analytic = torch.zeros(len(wave), dtype=torch.complex64)
        analytic[: len(spectrum)] = 2 * spectrum * torch.from_numpy(response.astype(np.float32))
        envelope = torch.fft.ifft(analytic).abs()
        total = torch.cumsum(envelope.double(), 0)
        edges = (torch.arange(frames + 1) * hop).long().clamp(max=len(wave) - 1)
        rows.append((total[edges[1:]] - total[edges[:-1]]) / hop)
    return torch.stack(rows, 1).clamp(min=0).pow(cochlea.exponent).float().numpy()


def streamed(cochlea: Cochleagram, sound: np.ndarray, hop: int) -> None:
    stream = CochleagramStream(cochlea, hop=hop)
    for start in range(0, len(sound), 480):
        stream.push(sound[start : start + 480])
    stream.finish()


def gammatone(sound: np.ndarray) -> None:
    from gammatone.gtgram import gtgram

    gtgram(sound, RATE, 2 / 90, 1 / 90, 42, 50)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("cochleagram", __doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    args = options.parse_args(arguments)
    sound = (0.1 * np.random.default_rng(0).standard_normal(round(RATE * args.seconds))).astype(np.float32)
    cochlea = Cochleagram(RATE)
    cochlea(sound)  # the bank is made once
    ours = best_processor(lambda: cochlea(sound), 3)
    rows = {
        "floor: one FFT, 42 short inverse FFTs": best_processor(lambda: floor(cochlea, sound), 3),
        "foley": ours,
        "foley, streamed in 0.1 s steps": best_processor(lambda: streamed(cochlea, sound, 9), 1),
        "foley, streamed in 1 s steps": best_processor(lambda: streamed(cochlea, sound, 90), 1),
        "torch, Eq. 1 written plainly": best_processor(lambda: plain_torch(cochlea, sound), 3),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows["gammatone 1.0.3"] = best_processor(lambda: gammatone(sound), 1)
    difference = float(np.sqrt(np.mean((plain_torch(cochlea, sound) - cochlea(sound)) ** 2)))
    size = float(np.sqrt(np.mean(cochlea(sound) ** 2)))
    figures = {
        "seconds": args.seconds,
        "processor_s": {name: round(value, 4) for name, value in rows.items()},
        "over_ours": {name: round(value / ours, 3) for name, value in rows.items()},
        "difference_from_plain_db": round(20 * np.log10(difference / size), 1),
    }
    for name, value in rows.items():
        print(
            f"{name:40s} {value:8.3f} s  {value / ours:8.2f} x ours  {args.seconds / value:8.0f} x real time"
        )
    print(f"difference from the plain one: {figures['difference_from_plain_db']} dB")
    write_metrics(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
