"""Sessions through a codec: each once, kept beside its set.

<set>/.latents/<codec>/<session>.safetensors    latent [latent, n] float16, and how much each frame stands out

What views show is kept beside them, see `seen_things.py`.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from foley_perception.action.gripper import GripperHand
from foley_synthesis.flow.codec import layers, level, network, spectrum
from foley_synthesis.flow.codec.network import Codec
from foley_synthesis.flow.contact.items import ContactItem, ContactItems
from foley_synthesis.flow.contact.seen_things import Eyes
from foley_synthesis.flow.networks import mel
from foley_synthesis.flow.networks.motion_encoder import STRIDE
from foley_synthesis.flow.session_cache import kept_folders
from foley_synthesis.flow.session_features import log_mel
from foley_synthesis.flow.session_items import SessionItem, check_disjoint, read_item, session_files

_STANDS_OUT = 0.2  # of the log mel: 10 dB
_ENOUGH = 0.5  # share of the bins from which on a frame stands out wholly
_QUIET = 0.2  # quantile of a bin that is its noise floor
_PART = 8 * 31  # latent frames that are coded at once: a whole session is much memory


def open_items(
    folders: Iterable[Path],
    split: str,
    codec: Codec,
    codec_id: str,
    *,
    hand: str = "parallel_gripper",
    limit: int | None = None,
    eyes: Eyes | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ContactItems:
    """The sessions of sets that are of one split.

    Args:
        limit: sessions of each set at most, by name.
        eyes: look at the things of those that have views; None: nobody looks.

    Raises:
        SessionsError: a set has no sessions, one twice, a scene in two splits, or one of another split than it says.
        ValueError: none is of the split.
        OSError: a file cannot be read.
    """
    gripper = GripperHand.from_yaml(hand)
    paths = [path for folder in folders for path in session_files(folder)[:limit]]
    found, seen = [], []
    for done, path in enumerate(paths, start=1):
        item = read_item(path, gripper)
        seen.append(item)
        if item.split == split:
            views = None if eyes is None else eyes.of(item)
            found.append(ContactItem.of(item, *cached_latent(item, codec, codec_id), views))
        progress(done, len(paths))
    if not found:
        raise ValueError(f"no session of {', '.join(map(str, folders))} is of split `{split}`")
    check_disjoint(seen)
    return ContactItems(tuple(found))


def cached_latent(item: SessionItem, codec: Codec, codec_id: str) -> tuple[Tensor, Tensor]:
    """Latent [latent, n] float16 and how much each frame stands out [n] of a session; made where it is not yet."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    state = item.path.stat()
    mark = f"{state.st_size} {state.st_mtime_ns} {_sources()}"
    for folder in kept_folders(item.path.parent, f".latents/{codec_id[:16]}"):
        path = folder / f"{item.path.stem}.safetensors"
        try:
            with safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("session") == mark:
                    return file.get_tensor("latent"), file.get_tensor("stands_out")
        except (OSError, SafetensorError):
            pass  # not there yet, or cut short: made again
    sound = torch.from_numpy(item.sound.copy()).float() / 2**15
    latent, stands = (
        latent_of(sound[None], codec)[0].half(),
        stands_out(sound)[: len(sound) // codec.config.samples],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    save_file({"latent": latent.contiguous(), "stands_out": stands.contiguous()}, partial, {"session": mark})
    partial.replace(path)
    return latent, stands


@functools.cache
def _sources() -> str:
    """Of what codes a sound: changed code codes it again."""
    modules = (layers, level, network, spectrum, mel)
    own = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    return hashlib.sha256(own + Path(__file__).read_bytes()).hexdigest()[:16]


@torch.no_grad()
def latent_of(sounds: Tensor, codec: Codec) -> Tensor:
    """Content, then level [b, latent, n / 512] of sounds [b, n] at the codec's rate; the rest of a frame is left out.

    Coded in parts of 8 s that overlap, so that nothing is at an edge but where the sound ends.
    """
    samples = codec.config.samples
    frames = sounds.shape[-1] // samples
    margin, parts = 16, []
    for begin in range(0, frames, _PART):
        first, last = max(begin - margin, 0), min(begin + _PART + margin, frames)
        coded = codec.encode(sounds[:, first * samples : last * samples])
        both = torch.cat([coded.content, coded.level], dim=1)
        parts.append(both[..., begin - first : begin - first + _PART])
    return torch.cat(parts, dim=-1)


@torch.no_grad()
def stands_out(sound: Tensor) -> Tensor:
    """How much of each frame of the latent of a sound [n] at 16 kHz stands 10 dB out of its own floor, in [0, 1]."""
    levels: Tensor = log_mel()(sound)
    floor = levels.quantile(_QUIET, dim=1, keepdim=True)
    share = ((levels - floor) > _STANDS_OUT).float().mean(0)
    frames = share[: len(share) // STRIDE * STRIDE].reshape(-1, STRIDE).amax(1)
    return (frames / _ENOUGH).clamp(max=1.0)
