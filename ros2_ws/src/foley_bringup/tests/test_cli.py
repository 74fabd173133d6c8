"""The `foley` command: finding, loading and losing subcommands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from foley_bringup import cli


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=cli.GROUP)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    (tmp_path / "good_command.py").write_text(
        "HELP = 'does good'\n"
        "def configure(parser):\n    parser.add_argument('--times', type=int, default=1)\n"
        "def run(args):\n    print('good ' * args.times)\n    return 4\n"
    )
    (tmp_path / "crashing_command.py").write_text(
        "HELP = 'crashes'\ndef configure(parser): pass\ndef run(args): raise OSError('disk on fire')\n"
    )
    (tmp_path / "broken_command.py").write_text("import a_module_that_is_not_there\n")
    (tmp_path / "half_command.py").write_text("HELP = 'half'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {name: entry(name, f"{name}_command") for name in ("good", "crashing", "broken", "half")}
    monkeypatch.setattr(cli, "find_commands", lambda: found)
    return found


def test_a_command_is_run_with_its_arguments(commands: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["good", "--times", "2"]) == 4
    assert capsys.readouterr().out == "good good \n"


def test_a_broken_package_costs_its_own_line_only(
    commands: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "does good" in page and "No module named 'a_module_that_is_not_there'" in page
    assert "half_command has no configure, run" in page
    assert cli.main(["good"]) == 4
    assert cli.main(["broken"]) == 3
    assert "foley broken: error: not available on this machine" in capsys.readouterr().err


def test_only_the_chosen_command_is_imported(commands: object, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    original = cli.load
    monkeypatch.setattr(cli, "load", lambda e: loaded.append(e.name) or original(e))  # type: ignore[func-returns-value]
    cli.main(["good"])
    assert loaded == ["good"]


def test_an_unknown_command_names_the_known(commands: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["goud"]) == 2
    assert "no command `goud`; known are good, crashing" in capsys.readouterr().err


def test_an_error_is_one_line_and_the_trace_is_for_the_asking(
    commands: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOLEY_DEBUG", raising=False)
    assert cli.main(["crashing"]) == 1
    error = capsys.readouterr().err
    assert "foley crashing: error: OSError: disk on fire" in error and "Traceback" not in error
    monkeypatch.setenv("FOLEY_DEBUG", "1")
    assert cli.main(["crashing"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_installed_command_teaches() -> None:
    result = subprocess.run(["foley", "--help"], capture_output=True, text=True, timeout=6000)
    assert result.returncode == 0, result.stderr
    assert "first steps:" in result.stdout and "foley up --sim" in result.stdout
    assert "(not available" not in result.stdout
    version = subprocess.run(["foley", "--version"], capture_output=True, text=True, timeout=600)
    assert version.returncode == 0 and version.stdout.startswith("foley 0.")


NAMES = sorted(cli.find_commands())


def test_every_package_brings_commands() -> None:
    assert {"up", "doctor", "demo", "record", "bag", "dataset", "train", "evaluate", "listen", "sim"} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    page = capsys.readouterr().out
    assert exit_.value.code == 0
    assert f"usage: foley {name}" in page and "foley " + name in page.split("usage:")[1].split("\n", 1)[1]


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Command -> heavy modules that came with it, where all are imported one after the other by one new process."""
    code = (
        "import json, sys\nfrom foley_bringup import cli\n"
        "heavy = {'torch', 'mujoco', 'sklearn', 'pinocchio', 'rclpy', 'matplotlib'}\nfound = {}\n"
        "for name, command in sorted(cli.find_commands().items()):\n"
        "    before = heavy & set(sys.modules)\n"
        "    cli.load(command)\n"
        "    found[name] = sorted(heavy & set(sys.modules) - before)\n"
        "print(json.dumps(found))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, env=os.environ
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, list[str]] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_asking_for_help_stays_light(name: str, loaded: dict[str, list[str]]) -> None:
    """Heavy imports belong into `run`, or every keystroke costs seconds."""
    assert loaded[name] == []
