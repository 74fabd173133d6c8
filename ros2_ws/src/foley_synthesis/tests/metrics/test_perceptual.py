"""Judges: their architecture at random weights, how sounds are prepared, and that nothing unknown is unpickled."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from foley_synthesis.metrics import perceptual_weights as fetching
from foley_synthesis.metrics.perceptual import Aisfx, AisfxNet, Cdpam, CdpamNet, JudgeMissing, prepared
from foley_synthesis.metrics.perceptual_weights import SOURCES, FetchError, fetch, read_tensors

RATE = 48_000


def sound(hz: float, decay: float, level: float = 0.3) -> np.ndarray:
    time = np.arange(RATE // 4) / RATE
    return (level * np.exp(-decay * time) * np.sin(2 * np.pi * hz * time)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both networks at random weights, in the files' own layout."""
    folder = tmp_path_factory.mktemp("judges")
    torch.manual_seed(0)
    for name, net in (("cdpam", CdpamNet()), ("aisfx", AisfxNet())):
        state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
        save_file(state, folder / f"{name}.safetensors")
    return folder


def test_networks_have_the_published_size() -> None:
    sizes = [sum(p.numel() for p in net.parameters()) for net in (CdpamNet(), AisfxNet())]
    assert sizes == [26215144, 4686144], "as in the files that are published"
    assert CdpamNet().embed(torch.zeros(2, 800)).shape == (2, 512)
    assert AisfxNet()(torch.zeros(2, 100, 96)).shape == (2, 512)


def test_a_distance_is_one(weights: Path) -> None:
    judge = Cdpam(weights / "cdpam.safetensors")
    a, b = judge.embed([sound(400, 20)[:4000], sound(2000, 60)[:4000]], RATE)
    both = np.stack([a, b])
    apart = judge.distances(both, both[::-1].copy())
    assert apart[0] == pytest.approx(apart[1], rel=1e-5) and apart[0] > 0
    assert judge.distances(both, both) == pytest.approx([0.0, 0.0])


def test_level_and_quiet_tails_do_not_count(weights: Path) -> None:
    one = np.concatenate([np.zeros(RATE // 10, np.float32), sound(700, 25)])
    noise = 3e-5 * np.random.default_rng(0).standard_normal(len(one)).astype(np.float32)
    heard, other = prepared(one, RATE), prepared(0.25 * one, RATE)
    assert np.allclose(heard, other, atol=1e-6) and heard.max() <= 1.0
    hissing = prepared(one + noise, RATE)
    assert np.abs(hissing[:1000]).max() == 0.0 and np.abs(heard[:1000]).max() == 0.0
    assert not prepared(np.zeros(RATE, np.float32), RATE).any()
    judge = Aisfx(weights / "aisfx.safetensors")
    loud, quiet = judge.embed([one, 0.25 * one], RATE)
    assert np.allclose(loud, quiet, rtol=1e-3, atol=1e-4)


def test_missing_and_damaged_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JudgeMissing, match="--fetch-judges"):
        Cdpam(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(JudgeMissing, match="delete it"):
        Aisfx(tmp_path / "bad.safetensors")


class Trap:
    """Leaves a mark if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[type[Path] | object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def wheel(folder: Path, name: str, data: bytes) -> None:
    package, _, version = SOURCES[name].requirement.partition("==")
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(SOURCES[name].inside, data)


def test_other_bytes_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "weights_path", lambda name: tmp_path / "cache" / f"{name}.safetensors")
    mark = tmp_path / "mark"
    wheel(tmp_path, "cdpam", pickle.dumps(Trap(mark)))
    with pytest.raises(FetchError, match="expected 453c8b6e"):
        fetch("cdpam", tmp_path)
    assert not mark.exists() and not (tmp_path / "cache").exists()
    with pytest.raises(FetchError, match="no wheel of aisfx"):
        fetch("aisfx", tmp_path)


def test_nor_is_anything_but_tensors(tmp_path: Path) -> None:
    """Even where the hash is right: the reader knows no name that could do anything."""
    mark = tmp_path / "mark"
    torch.save({"state": {"a": torch.ones(2), "b": Trap(mark)}}, tmp_path / "trap.pth")
    with pytest.raises(FetchError, match=r"cannot be read: .*getattr was not an allowed"):
        read_tensors((tmp_path / "trap.pth").read_bytes())
    assert not mark.exists()
    with pytest.raises(FetchError, match="cannot be read"):
        read_tensors(b"nothing")
    torch.save({"state": {"a": torch.ones(2, dtype=torch.float64)}}, tmp_path / "good.pth")
    found = read_tensors((tmp_path / "good.pth").read_bytes())
    assert found["a"].dtype == torch.float32 and found["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("number", [70_000, -70_000, 128])
def test_old_files_with_integers_as_text_are_read(tmp_path: Path, number: int) -> None:
    """Python 2 wrote long integers as text, which torch's reader of weights does not know."""
    state = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save({"state": state, "steps": 70_001}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "old.pth").read_bytes()
    as_binary = b"J" + (70_001).to_bytes(4, "little")
    assert data.count(as_binary) == 1
    found = read_tensors(data.replace(as_binary, b"I%d\n" % number))
    assert found["a"].tolist() == [0.0, 1.0, 2.0] and found["b"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_known_bytes_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel with the real layout at random weights, its hash taken for the known one."""
    target = tmp_path / "cache" / "aisfx.safetensors"
    monkeypatch.setattr(fetching, "weights_path", lambda name: target)
    net = AisfxNet()
    places = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2"}
    state = {}
    for name, value in net.state_dict().items():
        _, block, layer, kind = name.split(".")
        state[f"embedding_net.conv_block{int(block) + 1}.{places[layer]}.{kind}"] = value
    state["fc.0.0.weight"] = torch.zeros(3)
    path = tmp_path / "checkpoint.pth"
    torch.save((state, {"set": (0, 3)}), path)
    data = path.read_bytes()
    wheel(tmp_path, "aisfx", data)
    source = SOURCES["aisfx"]
    known = fetching.dataclasses.replace(source, sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(SOURCES, "aisfx", known)
    assert fetch("aisfx", tmp_path) == target
    assert set(load_file(target)) == {k for k in net.state_dict() if "num_batches" not in k}
    first = target.stat().st_mtime_ns
    assert fetch("aisfx", tmp_path / "nowhere") == target and target.stat().st_mtime_ns == first
    judge = Aisfx(target)
    assert judge.embed([sound(500, 10)], RATE).shape == (1, 512)
