"""Files beside an episode that keep what frames cannot: all of the sound, and motion and force at their own rates.

``<microphone>.flac`` (24 bit, all channels; ``-1``, ``-2`` and on where a stream begins anew or its clock was set),
``<pose, wrench, joints>.parquet`` (``stamp_ns`` and float64 as measured), ``episode.json`` (where the sound lies in
time, contacts, labels, what was wrong with the recording).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from foley_perception.contact_event import Contact
from foley_perception.dataset.export.format import Facts
from foley_perception.dataset.export.whole_topics import every_channel
from foley_perception.dataset.schema import DatasetError
from foley_perception.episodes.episode import Episode
from foley_perception.episodes.outline import Outline
from foley_perception.episodes.sound import Stream
from foley_perception.episodes.tracks import Series

_BLOCK_S = 10  # of sound at a time
_MOST_CHANNELS = 8  # of FLAC


def write_sound(outline: Outline, microphone: str, folder: Path) -> list[Facts]:
    """All of a microphone's sound; what is to be known of each file.

    Raises:
        DatasetError: more channels than FLAC holds.
        OSError: the disk is full.
        EpisodeError: the sound cannot be read.
    """
    topic = outline.topic("audio", microphone)
    streams = outline.sound(topic).streams if topic is not None else ()
    found = []
    for number, stream in enumerate(streams):
        name = f"{microphone}{f'-{number}' if number else ''}.flac"
        found.append(_write_stream(outline, microphone, stream, folder / name))
    return found


def _write_stream(outline: Outline, microphone: str, stream: Stream, path: Path) -> Facts:
    topic = outline.topic("audio", microphone)
    assert topic is not None
    block, channels, clipped, worst = round(_BLOCK_S * stream.sample_rate), 0, 0, 0.0
    file: soundfile.SoundFile | None = None
    try:
        for start in range(stream.first_sample, stream.stop_sample, block):
            stop = min(start + block, stream.stop_sample)
            sound, _ = every_channel(outline, topic, stream, start, stop)
            if file is None:
                channels = sound.shape[1]
                if channels > _MOST_CHANNELS:
                    raise DatasetError(
                        f"{topic.name}: {channels} channels, FLAC holds {_MOST_CHANNELS}; record fewer"
                    )
                file = soundfile.SoundFile(
                    path, "w", stream.sample_rate, channels, subtype="PCM_24", format="FLAC"
                )
            if sound.shape[1] < channels:  # nothing was received in it, or fewer channels
                sound = np.pad(sound, ((0, 0), (0, channels - sound.shape[1])))
            inside = np.clip(sound, -1.0, 1.0 - 2.0**-23)
            scaled = np.rint(inside.astype(np.float64) * 2.0**23)
            clipped += int(np.count_nonzero(np.abs(sound) > 1.0))
            worst = max(worst, float(np.abs(scaled / 2.0**23 - inside).max(initial=0.0)))
            file.write((scaled.astype(np.int32) << 8)[:, :channels])
    except (soundfile.SoundFileError, AssertionError) as error:
        raise OSError(f"{path.name} is not taken: is the disk full?") from error
    finally:
        if file is not None:
            file.close()
    _check_whole(path, stream.stop_sample - stream.first_sample)
    clock = stream.clock
    return {
        "file": path.name,
        "stream_id": stream.stream_id,
        "sample_rate": stream.sample_rate,
        "channels": channels,
        "samples": stream.stop_sample - stream.first_sample,
        "first_sample": stream.first_sample,  # of the stream, is sample 0 of the file
        "stamp_ns": stream.start_ns,  # when sample 0 was captured
        "period_ns": clock.period_ns,  # sample n was captured at stamp_ns + n * period_ns
        "drift_ppm": clock.drift_ppm(stream.sample_rate),
        "stamp_jitter_s": clock.jitter_s,
        "stamps_rejected": clock.rejected,
        "missing": [
            list(run) for run in stream.missing
        ],  # [start, stop) in the file of what never came, and is 0
        "samples_clipped": clipped,  # that were beyond full scale
        "quantised_by": worst,  # most by which 24 bits differ from what was recorded; 0 of sound of 16 or 24 bits
    }


def _check_whole(path: Path, samples: int) -> None:
    """Of what the disk does not take any more at a file's end, the library tells nothing. Raises OSError."""
    try:
        with soundfile.SoundFile(path) as file:
            there = file.frames
    except soundfile.SoundFileError:
        there = 0
    if there != samples:
        raise OSError(f"{path.name} has not got all of its sound: is the disk full?")


class SeriesFiles:
    """Numbers at their own rates, appended stretch by stretch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, pq.ParquetWriter] = {}
        self.counts: dict[str, int] = {}

    def __enter__(self) -> SeriesFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(self, name: str, series: Series) -> None:
        columns = {
            "stamp_ns": pa.array(series.times_ns, pa.int64()),
            **{
                column: pa.array(np.ascontiguousarray(values), pa.float64())
                for column, values in zip(series.names, series.values.T, strict=True)
            },
        }
        table = pa.table(columns)
        if name not in self._files:
            self._files[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet", table.schema, compression="zstd"
            )
            self.counts[name] = 0
        self._files[name].write_table(table)
        self.counts[name] += table.num_rows


def told_contacts(contacts: Iterable[Contact], episode: Episode) -> list[Facts]:
    """Contacts as JSON has them, with what is known of the object; null where nothing is."""
    found = []
    for contact in contacts:
        row: Facts = {**dataclasses.asdict(contact), "action": contact.action_name}
        known = episode.object_properties(contact.object_id, contact.time_ns)
        row["material"] = str(known.get("material") or "")
        found.append(plain(row))
    return found


def plain(value: Any) -> Any:
    """The same of what JSON has: null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
