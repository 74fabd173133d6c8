"""What a build of a dataset tells at its end: what there is, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foley_perception.dataset.staging import BuildReport

MAX_PROBLEMS = 20  # lines; all are in the manifest
_NAMED = 3  # recordings that a line names


def print_report(report: BuildReport, what: str) -> None:
    """Args: what: that clips are cut around, `contacts` or `hits`."""
    for source, reason in report.failed.items():
        print(f"left out {source}: {reason}")
    for reason, count in report.manifest["skipped"].items():
        windows, _, cause = reason.partition("window: ")
        print(
            f"{count} windows left out: {cause}"
            if cause and not windows
            else f"{count} {what} without a clip: {reason}"
        )
    _print_devices(report.manifest)
    for line in problem_lines(report.manifest["problems"]):
        print(line)
    for line in mixed_lines(report.manifest.get("editions", {})):
        print(line)
    print_splits(report.manifest["splits"], report.manifest["fingerprint"])


def problem_lines(problems: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What is wrong but bearable, each sentence once with the recordings that it is said of; a few lines at most."""
    said: dict[str, list[str]] = {}
    for name, sentences in problems.items():
        for sentence in sentences:
            said.setdefault(sentence, []).append(name)
    for sentence, names in list(said.items())[:MAX_PROBLEMS]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{', '.join(names[:_NAMED])}{more}: {sentence}"
    if len(said) > MAX_PROBLEMS:
        yield f"{len(said) - MAX_PROBLEMS} more problems are in manifest.json, under `problems`"


def mixed_lines(editions: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Of editions that are there in several versions."""
    for edition, versions in editions.items():
        if len(versions) > 1:
            counts = ", ".join(f"{count} bags of version {version}" for version, count in versions.items())
            yield (
                f"warning: {edition} is mixed of {counts}: noise and hum of version 1 are the same in all scenes with "
                "one policy seed"
            )


def print_without(without: Mapping[str, Mapping[str, int]], splits: Mapping[str, Mapping[str, Any]]) -> None:
    """What lacks sound or pictures."""
    clips, windows = (sum(side[kind] for side in splits.values()) for kind in ("clips", "windows"))
    for device, counts in without.items():
        print(
            f"{counts['clips']} of {clips} clips and {counts['windows']} of {windows} windows are without a {device}: "
            "what trains on it, or evaluates with it, leaves them out"
        )


def _print_devices(manifest: Mapping[str, Any]) -> None:
    clips = sum(side["clips"] for side in manifest["splits"].values())
    for devices in manifest.get("further_devices", {}).values():
        for device, counts in devices.items():
            print(f"{device}: in {counts['clips']} of {clips} clips and {counts['windows']} windows")
    print_without(manifest.get("without", {}), manifest["splits"])


def print_splits(counts: Mapping[str, Mapping[str, Any]], fingerprint: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"fingerprint {fingerprint[:16]}", title_justify="left")
    for name in ("split", "clips", "windows", "sessions", "scenes", "objects", "materials"):
        table.add_column(name)
    for split, count in counts.items():
        materials = ", ".join(f"{name or 'unknown'} {n}" for name, n in count["materials"].items())
        numbers = [str(count[name]) for name in ("clips", "windows", "sessions", "scenes", "objects")]
        table.add_row(split, *numbers, materials)
    Console().print(table)
