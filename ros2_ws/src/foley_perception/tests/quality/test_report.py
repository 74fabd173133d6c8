"""`foley bag report` as a user calls it: good, bad, damaged and oddly named bags, what was kept, and in a browser."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foley_perception.commands import bag
from foley_perception.quality.find import bags_below

ODD = os.fsdecode(b"<img src=x onerror=boom()> & \xff")
SHORT: dict[str, Any] = {"seconds": 2.0, "contact_times": (1.0, 1.6)}
SHOWN = "<img src=x onerror=boom()> & \\udcff"


def call(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    bag.configure(parser)
    return int(bag.run(parser.parse_args(["report", *map(str, arguments)])))


def without(prefix: str) -> Callable[..., list[Any]]:
    def edit(arrival: int, topic: str, kind: str, message: Any) -> list[Any]:
        return [] if topic.startswith(prefix) else [(arrival, topic, kind, message)]

    return edit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, written_bag: Callable[..., Path]) -> Path:
    """Bags, one of them deeper in the folder, one of which nothing can be read, one that was cut off."""
    root = tmp_path_factory.mktemp("bags")
    cases: dict[str, dict[str, Any]] = {
        "good": {},
        f"monday/{ODD}": {"audio_gap": (0.1, 0.8), "session_id": "s2"},
        "blind": {"edit": without("camera"), "session_id": "s3"},
        "deaf": {"edit": without("mic"), "session_id": "s4"},
        "unlabelled": {"truth": False, "scene": False, "audio_drift_ppm": 500.0, "session_id": "s5"},
    }
    for name, options in cases.items():
        written = written_bag("bag", frozenset((SHORT | options).items()))
        shutil.copytree(written, root / name, copy_function=shutil.copyfile)
    cut = shutil.copytree(root / "good", root / "cut")
    (cut / "metadata.yaml").unlink()
    (stored,) = cut.glob("*.mcap")
    stored = stored.rename(cut / "cut_0.mcap")
    stored.write_bytes(stored.read_bytes()[: stored.stat().st_size * 9 // 10])
    (root / "rubbish").mkdir()
    (root / "rubbish" / "rubbish_0.mcap").write_bytes(bytes(range(256)) * 40)
    return root


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all of them."""
    found = tmp_path_factory.mktemp("report")
    assert call(folder, "--out", found, "--workers", 1, "--contacts", 2) == 1
    return found


@pytest.fixture(scope="module")
def bags(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "metrics.json").read_text())["bags"])


def limits_of(figures: dict[str, Any]) -> set[str]:
    return {o["limit"] for o in figures["outside"]}


def test_every_bag_is_there_and_judged(bags: dict[str, Any], out: Path) -> None:
    assert set(bags) == {"good", SHOWN, "blind", "deaf", "unlabelled", "cut", "rubbish"}
    assert bags["good"]["state"] == "good" and not bags["good"]["outside"]
    assert limits_of(bags[SHOWN]) == {"max_lost_share", "max_gap_s"}
    assert bags["good"]["limits"]["min_contacts"] == 1.0, "by which it was judged"
    lost = next(o for o in bags[SHOWN]["outside"] if o["limit"] == "max_lost_share")
    assert lost["where"] == "/mic/audio" and lost["value"] == pytest.approx(70 / 200)
    assert bags["blind"]["cameras"] == {} and bags["blind"]["state"] == "problem"
    assert bags["deaf"]["microphones"] == {} and bags["deaf"]["contacts"]["count"] == 2
    assert bags["cut"]["state"] == "problem" and {f["rule"] for f in bags["cut"]["findings"]} >= {"file"}
    assert bags["rubbish"]["state"] == "error" and bags["rubbish"]["error"]
    whole = json.loads((out / "metrics.json").read_text())["totals"]
    assert (whole["bags"], whole["error"], whole["unreadable"]) == (7, 1, 1)


def test_figures_of_sound_contacts_and_labels(bags: dict[str, Any]) -> None:
    sound = bags["good"]["microphones"]["microphone"]
    assert sound["noise_floor_dbfs"] == pytest.approx(-80.0, abs=0.5)  # noise of 1e-4
    assert sound["peak_dbfs"] == pytest.approx(-6.3, abs=0.3) and sound["heard"] == 2
    contacts, labels = bags["good"]["contacts"], bags["good"]["labels"]
    assert (contacts["count"], contacts["source"], contacts["times_s"]) == (2, "/sim/contacts", [1.0, 1.6])
    assert contacts["margin_db"] == pytest.approx(73.7, abs=1.0) and labels["coverage"] == 1.0
    by_ear = bags["unlabelled"]
    assert by_ear["contacts"]["source"] == "heard" and by_ear["labels"]["coverage"] == 0.0
    assert by_ear["contacts"]["times_s"] == pytest.approx([1.0, 1.6], abs=2e-3)  # by its own clock
    assert by_ear["microphones"]["microphone"]["clock_drift_ppm"] is None  # 2 s do not determine it


def test_pages_hold_names_as_text_and_fetch_nothing(out: Path) -> None:
    pages = [out / "report.html", *(out / "bags").glob("*.html")]
    assert len(pages) == 7
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<img src=x" not in text and "http://" not in text and "https://" not in text
    assert "&lt;img src=x onerror=boom()&gt; &amp; \\udcff" in (out / "report.html").read_text(
        encoding="utf-8"
    )
    good = (out / "bags" / "good.html").read_text(encoding="utf-8")
    assert good.count('class="spectrum"') == 2 and good.count('class="waveform"') == 2
    assert good.count("<figcaption>contact</figcaption>") == 2  # a picture at each contact


def test_what_was_kept_is_taken_and_judged_by_other_limits(
    folder: Path,
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = shutil.copytree(out, tmp_path / "kept")
    from foley_perception.quality import report

    measured: list[str] = []
    real = report.measure
    monkeypatch.setattr(
        report, "measure", lambda path, options: measured.append(path.name) or real(path, options)
    )
    page = kept / "bags" / "good.html"
    before = page.stat().st_mtime_ns
    arguments = (folder, "--out", kept, "--workers", 1, "--contacts", 2, "--cached")
    assert call(*arguments) == 1
    assert measured == ["rubbish"] and page.stat().st_mtime_ns == before
    assert "6 as they were measured before" in capsys.readouterr().out

    os.utime(next((folder / "blind").glob("*.mcap")))  # another file
    assert call(*arguments) == 1
    assert sorted(measured) == ["blind", "rubbish", "rubbish"]


def test_limits_of_the_robots_file_hold(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = tmp_path / "robot.yaml"
    robot.write_text("quality: {min_contacts: 4}\nlimits: {wrench: {min_rate_hz: 300}}\n")
    arguments = (folder / "good", "--out", tmp_path / "out", "--workers", 1, "--robot", robot)
    assert call(*arguments) == 1
    told = capsys.readouterr().out
    assert "good: contacts 2, at least 4 (`min_contacts`)" in told
    assert "good: /wrench: rate 250 Hz, at least 300 Hz (`min_rate_hz`)" in told
    robot.write_text("quality: {min_contact: 4}\n")
    assert call(*arguments) == 2
    assert "`quality.min_contact` is not known; is min_contacts" in capsys.readouterr().err


def test_without_a_bag_there_is_no_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "nowhere", "--out", tmp_path / "out") == 2
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty", "--out", tmp_path / "out") == 2
    assert "neither a bag nor a folder with bags in it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    assert call(folder / "rubbish", "--out", tmp_path / "file") == 2
    assert f"--out {tmp_path / 'file'}: cannot be written" in capsys.readouterr().err
    assert (
        call(folder / "rubbish", "--out", tmp_path / "out") == 2
    )  # a bag by its name, of which nothing is left
    assert "cannot be read" in (tmp_path / "out" / "report.html").read_text()


def test_bags_are_found_however_deep_they_lie(folder: Path) -> None:
    assert [b.name for b in bags_below([folder, folder / "good"])] == sorted(
        ["blind", "cut", "deaf", "good", ODD, "rubbish", "unlabelled"],
        key=lambda n: f"monday/{n}" if n == ODD else n,
    )


def test_a_copy_that_is_being_written_is_no_bag_yet(tmp_path: Path) -> None:
    for folder in (".writing_x/take", "take"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "metadata.yaml").touch()
        (tmp_path / folder / "take_0.mcap").touch()
    assert bags_below([tmp_path]) == [tmp_path / "take"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    selenium = pytest.importorskip("selenium.webdriver")
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no chromium")
    options = selenium.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = selenium.ChromeService(executable_path=shutil.which("chromedriver"))
    running = selenium.Chrome(options=options, service=service)
    yield running
    running.quit()


def test_the_page_sorts_filters_and_folds_out(out: Path, browser: Any) -> None:
    browser.get((out / "report.html").resolve().as_uri())
    names = "return [...document.querySelectorAll('tr.bag:not([hidden])')].map(r => r.cells[2].dataset.value)"
    assert browser.execute_script(names)[0] == "rubbish"  # the worst first
    click = "document.querySelector(`th[data-column='${arguments[0]}']`).click()"
    browser.execute_script(click, "lost")
    assert browser.execute_script(names)[0] == SHOWN and browser.execute_script(names)[-1] == "rubbish"
    browser.execute_script(click, "name")
    assert browser.execute_script(names) == [SHOWN, "blind", "cut", "deaf", "good", "rubbish", "unlabelled"]
    browser.execute_script("document.querySelector('.chip[data-key=max_gap_s]').click()")
    assert SHOWN in browser.execute_script(names) and "good" not in browser.execute_script(names)
    browser.execute_script("document.querySelector('.chip[data-key=max_gap_s]').click()")
    browser.execute_script(
        "const box = document.getElementById('search'); box.value = 'img src'; box.dispatchEvent(new Event('input'))"
    )
    assert browser.execute_script(names) == [SHOWN]
    browser.execute_script("document.querySelector('tr.bag:not([hidden])').click()")
    folded = browser.execute_script("return document.querySelector('tr.more').innerText")
    assert "messages lost" in folded and "/mic/audio" in folded
    browser.get((out / "bags" / "good.html").resolve().as_uri())
    shown = (
        "return [...document.images].every(i => i.complete && i.naturalWidth > 1) && document.images.length"
    )
    assert browser.execute_script(shown) >= 10
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
