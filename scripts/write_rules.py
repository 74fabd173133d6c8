"""Write the table of docs/recording.md out of the rules themselves, foley_perception/audit/rules.py; `--check` only
compares."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for package in ("foley_msgs", "foley_perception"):
    sys.path.insert(0, str(ROOT / "ros2_ws/src" / package))  # also where no workspace is built

from foley_perception.audit.rules import table  # noqa: E402

DOCS = ROOT / "docs/recording.md"
_TABLE = re.compile(r"(?<=<!-- rules -->\n).*?(?=<!-- /rules -->)", re.S)


def written() -> str:
    """What docs/recording.md must hold."""
    before = DOCS.read_text(encoding="utf-8")
    if _TABLE.search(before) is None:
        raise SystemExit(f"{DOCS}: the place for the rules is not there any more (see {Path(__file__).name})")
    return _TABLE.sub(lambda _: table(), before)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if the table is old")
    text, args = written(), parser.parse_args()
    if text == DOCS.read_text(encoding="utf-8"):
        return 0
    if args.check:
        sys.stdout.write(f"{DOCS} is old: run `python scripts/write_rules.py`\n")
        return 1
    DOCS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
