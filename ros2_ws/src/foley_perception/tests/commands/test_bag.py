"""`foley bag` and `foley dataset` as a user calls them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from foley_perception.commands import bag, dataset, record

MakeBag = Callable[..., Path]


def call(module: ModuleType, *arguments: object) -> int:
    parser = argparse.ArgumentParser()
    module.configure(parser)
    return int(module.run(parser.parse_args([str(a) for a in arguments])))


def test_info_and_check(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = make_bag()
    assert call(bag, "info", good, "--out", tmp_path / "out") == 0
    assert "session_id: s1" in capsys.readouterr().out
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["topics"]["/mic/audio"]["messages"] == 400 and figures["topics"]["/mic/audio"]["lost"] == 0
    assert call(bag, "check", good, "--out", tmp_path / "out") == 0
    assert "good" in capsys.readouterr().out


def test_check_says_what_is_wrong(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(bag, "check", make_bag("gap", audio_gap=(1.0, 1.5)), "--out", tmp_path) == 1
    out = capsys.readouterr().out
    assert "/mic/audio: 50 messages were lost" in out and "0.500 s of sound are missing" in out
    assert call(bag, "check", make_bag("yuv", encoding="yuv422"), "--out", tmp_path) == 1
    assert "encoding is `yuv422`" in capsys.readouterr().out
    assert call(bag, "check", tmp_path / "nowhere", "--out", tmp_path) == 2
    assert "foley bag: error:" in capsys.readouterr().err


def test_recover(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = make_bag()
    file = broken / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert call(bag, "check", broken, "--out", tmp_path) == 1
    assert "foley bag recover" in capsys.readouterr().out
    before = file.read_bytes()
    assert call(bag, "recover", broken) == 0
    out = capsys.readouterr().out
    assert "a chunk, in which the file ends; messages from" in out and "the original, as it was" in out
    assert file.read_bytes() == before
    whole = broken.with_name("bag-recovered")
    call(bag, "check", whole, "--out", tmp_path)
    assert "foley bag recover" not in capsys.readouterr().out
    assert call(bag, "recover", whole) == 0
    assert "is whole" in capsys.readouterr().out and not whole.with_name("bag-recovered-recovered").exists()
    assert call(bag, "recover", broken) == 2
    assert "exists already; name another folder with --to" in capsys.readouterr().err
    assert call(bag, "recover", broken, "--to", tmp_path / "new", "--in-place") == 2
    assert call(bag, "recover", broken, "--to", tmp_path / "new") == 0
    assert call(bag, "recover", broken, "--in-place") == 0
    assert "bag.original: the original, kept here" in capsys.readouterr().out
    assert (broken.with_name("bag.original") / "bag.mcap").read_bytes() == before
    assert call(bag, "recover", broken) == 0
    assert "is whole" in capsys.readouterr().out


def test_a_data_set_has_a_recovered_bag_once(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = make_bag()
    file = broken / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 4])
    assert call(bag, "recover", broken) == 0
    build = ("build", broken, broken.with_name("bag-recovered"), "--out", tmp_path / "set")
    assert call(dataset, *build) == 0
    assert f"left out {broken}: its recovered copy is used instead" in capsys.readouterr().out


def test_dataset(make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bag("bags/a", plans=False)
    make_bag("bags/b", plans=False, session_id="s2", scene_id="x2", split="test", objects=(("cup", "glass"),))
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--workers", 1) == 0
    assert "wood 3" in capsys.readouterr().out
    assert call(dataset, "check", tmp_path / "ds") == 0
    assert "no leaks" in capsys.readouterr().out
    make_bag("bags/c", plans=False, session_id="s3", scene_id="x3", split="test")
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--workers", 1) == 2
    assert "block-1" in capsys.readouterr().err
    assert call(dataset, "check", tmp_path / "nowhere") == 1
    assert call(dataset, "build", tmp_path / "bags", "--out", tmp_path / "ds", "--shares", "1") == 2
    assert "--shares" in capsys.readouterr().err


def test_record_needs_a_maximum(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call(record, "--name", "x")
    assert "--max-duration" in capsys.readouterr().err
