"""Write what is said of topics elsewhere out of their registry, foley_common/topics.py; `--check` only compares.

docs/messages.md                       the table of topics
foley_perception/config/recorder.yaml  the list of what is recorded
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ros2_ws/src/foley_msgs"))  # also where no workspace is built

from foley_common import topics  # noqa: E402

DOCS = ROOT / "docs/messages.md"
RECORDER = ROOT / "ros2_ws/src/foley_perception/config/recorder.yaml"
_TABLE = re.compile(r"(?<=<!-- topics -->\n).*?(?=<!-- /topics -->)", re.S)
_LIST = re.compile(r"(?<=\n    topics:\n).*", re.S)


def table() -> str:
    """Rows of docs/messages.md."""
    lines = ["| topic | role | type | QoS | what | published by | rate |", f"|{' --- |' * 7}"]
    for topic in topics.TOPICS:
        package, _, message = topic.type.split("/")
        kind = message if package == "foley_msgs" else f"{package}/{message}"
        cells = (
            f"`{topic.name}`",
            topic.role,
            f"`{kind}`",
            topic.qos,
            topic.text,
            topic.publisher,
            topic.rate,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def recorder_list() -> str:
    """Entries of the recorder's parameter `topics`."""
    return "".join(f'      - "{topic.recorder_entry}"  # {topic.text}\n' for topic in topics.recorded())


def files() -> dict[Path, str]:
    """Each file and what it must hold."""
    written = {}
    for path, place, text in ((DOCS, _TABLE, table()), (RECORDER, _LIST, recorder_list())):
        before = path.read_text(encoding="utf-8")
        found = place.search(before)
        if found is None:
            raise SystemExit(
                f"{path}: the place for the topics is not there any more (see {Path(__file__).name})"
            )
        written[path] = before[: found.start()] + text + before[found.end() :]
    return written


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="say which files differ and write none")
    check = parser.parse_args().check
    stale = {path: text for path, text in files().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path.relative_to(ROOT)}: {'differs from the registry' if check else 'written'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
