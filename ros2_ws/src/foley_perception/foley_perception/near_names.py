"""Which names there are, beginning with those that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 12


def among(name: str, known: Iterable[str]) -> str:
    """A clause for an error about an unknown name: `did you mean ...? it has ...`."""
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    near += [other for other in names if name and other not in near and (name in other or other in name)][:2]
    meant = f"did you mean {' or '.join(f'`{other}`' for other in near)}? " if near else ""
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{meant}it has {', '.join(names[:_LISTED]) or 'none'}{rest}"
