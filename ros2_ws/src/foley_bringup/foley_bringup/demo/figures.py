"""Pictures of a live session, as PNG bytes."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import spectrogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bones of a hand in MANO/OpenPose order: wrist to the base of each finger, then along it.
BONES: tuple[tuple[int, int], ...] = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
    for finger in range(5)
    for joint in range(4)
)
_FINGER_COLOURS = ((230, 85, 60), (245, 175, 40), (90, 190, 90), (60, 150, 230), (170, 110, 220))
_FLOOR_DB = -95.0


@dataclasses.dataclass(frozen=True)
class SyncTrace:
    """A few seconds of one session on one clock. Times in seconds from the start of the trace."""

    audio_s: NDArray[np.float64]  # [n]
    audio_dbfs: NDArray[np.float64]  # [n], level of short windows
    tool_s: NDArray[np.float64]  # [m]
    tool_height_m: NDArray[np.float64]  # [m]
    frames_s: NDArray[np.float64]  # [k], stamps of camera frames
    true_s: NDArray[np.float64]  # onsets of the simulator
    detected_s: NDArray[np.float64]
    predicted_s: NDArray[np.float64]  # predicted contact times
    announced_s: NDArray[np.float64]  # when those predictions arrived


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_spectrogram(axis: Axes, samples: NDArray[np.float32], rate: int, title: str) -> None:
    frequencies, times, power = spectrogram(
        samples.astype(np.float64), fs=rate, nperseg=1024, noverlap=768, scaling="spectrum"
    )
    axis.pcolormesh(
        times,
        frequencies / 1e3,
        10 * np.log10(power + 1e-12),
        vmin=_FLOOR_DB,
        vmax=-25,
        cmap="magma",
        shading="nearest",
        rasterized=True,
    )
    axis.set_yscale("symlog", linthresh=1.0)
    axis.set_ylim(0.05, rate / 2e3)
    axis.set_yticks([0.1, 0.5, 1, 2, 5, 10, 20], ["0.1", "0.5", "1", "2", "5", "10", "20"])
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("time [s]", fontsize=8)
    axis.tick_params(labelsize=7)


def spectrogram_pair(
    predicted: NDArray[np.float32],  # [n]
    heard: NDArray[np.float32],  # [n]
    rate: int,
    *,
    onset_s: float,
) -> bytes:
    """Predicted and heard sound of one contact on the same axes; the line marks the true onset."""
    figure = _figure(7.0, 2.3)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, samples, title in zip(axes, (predicted, heard), ("predicted", "heard"), strict=True):
        _draw_spectrogram(axis, samples, rate, title)
        axis.axvline(onset_s, color="white", linewidth=0.7, linestyle=":")
    axes[0].set_ylabel("frequency [kHz]", fontsize=8)
    return _png(figure)


def summary_picture(
    frame_png: bytes,
    predicted: NDArray[np.float32],  # [n]
    heard: NDArray[np.float32],  # [n]
    rate: int,
    *,
    onset_s: float,
    title: str,
) -> bytes:
    """The hand in the scene beside the predicted and the heard sound of one contact."""
    figure = _figure(12.0, 3.3)
    axes = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    frame = cv2.imdecode(np.frombuffer(frame_png, np.uint8), cv2.IMREAD_COLOR)
    if frame is None:
        raise ValueError("frame_png is no PNG picture")
    axes[0].imshow(frame[:, :, ::-1])
    axes[0].axis("off")
    axes[0].set_title(title, fontsize=9)
    for axis, samples, name in zip(axes[1:], (predicted, heard), ("predicted", "heard"), strict=True):
        _draw_spectrogram(axis, samples, rate, name)
        axis.axvline(onset_s, color="white", linewidth=0.7, linestyle=":")
    axes[1].set_ylabel("frequency [kHz]", fontsize=8)
    return _png(figure)


def confusion(
    truth: Sequence[str], said: dict[str, Sequence[str | None]], vocabulary: Sequence[str]
) -> bytes:
    """One row-normalised confusion matrix per entry of ``said``; the last column is "no answer"."""
    labels = [v for v in vocabulary if v in set(truth)]
    columns = [*vocabulary, "none"]
    figure = _figure(4.4 * len(said), 0.42 * len(labels) + 1.7)
    axes = figure.subplots(1, len(said), squeeze=False)[0]
    for axis, (title, answers) in zip(axes, said.items(), strict=True):
        counts = np.zeros((len(labels), len(columns)))
        for t, s in zip(truth, answers, strict=True):
            counts[labels.index(t), columns.index(s if s in columns else "none")] += 1
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (i, j), count in np.ndenumerate(counts):
            if count:
                axis.text(
                    j,
                    i,
                    f"{int(count)}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if shares[i, j] > 0.6 else "black",
                )
        axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=7)
        axis.set_yticks(range(len(labels)), labels, fontsize=7)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("said", fontsize=8)
    axes[0].set_ylabel("true", fontsize=8)
    return _png(figure)


def sync_plot(trace: SyncTrace) -> bytes:
    """Sound level, tool height, camera stamps and all event times on one clock."""
    figure = _figure(9.5, 4.2)
    sound, tool = figure.subplots(2, 1, sharex=True, height_ratios=[1.3, 1])
    sound.plot(trace.audio_s, trace.audio_dbfs, color="0.35", linewidth=0.8)
    sound.set_ylabel("microphone [dBFS]", fontsize=8)
    tool.plot(trace.tool_s, 1e3 * trace.tool_height_m, color="tab:blue", linewidth=1.0)
    tool.plot(
        trace.frames_s,
        np.full(trace.frames_s.shape, 1e3 * np.min(trace.tool_height_m) - 12),
        "|",
        color="0.6",
        markersize=4,
        label="camera frame",
    )
    tool.set_ylabel("tool height [mm]", fontsize=8)
    tool.set_xlabel("time [s]", fontsize=8)
    events = (
        ("true onset", trace.true_s, "tab:red", "-"),
        ("detected", trace.detected_s, "tab:green", "--"),
        ("predicted contact", trace.predicted_s, "tab:orange", ":"),
    )
    for axis in (sound, tool):
        for label, times, colour, style in events:
            for i, time in enumerate(times):
                axis.axvline(
                    time, color=colour, linestyle=style, linewidth=1.0, label=label if i == 0 else None
                )
        axis.tick_params(labelsize=7)
    tool.plot(
        trace.announced_s,
        np.full(trace.announced_s.shape, 1e3 * np.max(trace.tool_height_m) + 8),
        "v",
        color="tab:orange",
        markersize=6,
        label="prediction published",
    )
    sound.legend(loc="upper right", fontsize=7, ncols=3)
    tool.legend(loc="upper right", fontsize=7, ncols=2)
    return _png(figure)


def draw_hand(
    rgb: NDArray[np.uint8],  # [h, w, 3]
    pixels: NDArray[np.float64],  # [21, 2]
    *,
    scale: int = 2,
    contact: NDArray[np.float64] | None = None,  # [2]
) -> bytes:
    """The frame, enlarged, with the hand's bones drawn in and the predicted contact as a ring."""
    canvas = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    points = np.round(pixels * scale).astype(int)
    for index, (a, b) in enumerate(BONES):
        colour = _FINGER_COLOURS[index // 4]
        cv2.line(canvas, tuple(points[a].tolist()), tuple(points[b].tolist()), colour, 2, cv2.LINE_AA)
    for point in points:
        cv2.circle(canvas, tuple(point.tolist()), 3, (255, 255, 255), -1, cv2.LINE_AA)
    if contact is not None and np.all(np.isfinite(contact)):
        centre = tuple(np.round(contact * scale).astype(int).tolist())
        cv2.circle(canvas, centre, 12, (255, 230, 0), 2, cv2.LINE_AA)
    done, encoded = cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"frame of shape {rgb.shape} could not be encoded as PNG")
    return encoded.tobytes()
