"""All predicates that were taught, in one folder; what others change there is taken over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from foley_perception.near_names import among
from foley_synthesis.teaching import files
from foley_synthesis.teaching.example import Example, TeachingError, check_name
from foley_synthesis.teaching.files import FILE, Embed
from foley_synthesis.teaching.taught import TaughtPredicate, teach

Signature = tuple[int, int, int]


def default_folder() -> Path:
    """Where predicates are kept if nobody names another folder: by the XDG base directories."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "share") / "foley" / "predicates"


def names_in(folder: Path) -> tuple[str, ...]:
    """Of the predicates that were taught there, whether they can be read or not."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{FILE}")))


class TaughtLibrary:
    """A folder of taught predicates. May be used from several threads, its folder by several processes.

    Args:
        folder: made where it is not there.
        features_id: of the model that hears; predicates of others are embedded anew, or refused. Empty: any.
        embed: by that model.
    """

    def __init__(self, folder: Path, features_id: str = "", embed: Embed | None = None) -> None:
        self.folder = folder
        self._features_id, self._embed = features_id, embed
        self._lock = threading.RLock()
        self._taught: dict[str, TaughtPredicate] = {}
        self._problems: dict[str, str] = {}
        self._seen: dict[str, Signature] = {}
        self.reload()

    @property
    def taught(self) -> Mapping[str, TaughtPredicate]:
        """By name, as last read."""
        with self._lock:
            return dict(self._taught)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why others could not be read."""
        with self._lock:
            return tuple(self._problems.values())

    def __getitem__(self, name: str) -> TaughtPredicate:
        """Raises TeachingError where there is none of that name, or it cannot be read."""
        with self._lock:
            if name in self._problems:
                raise TeachingError(self._problems[name])
            if name not in self._taught:
                raise TeachingError(
                    f"no predicate `{name}` was taught in {self.folder}; {among(name, self._taught)}"
                )
            return self._taught[name]

    def reload(self) -> bool:
        """Read what changed in the folder since; whether anything did."""
        with self._lock:
            now = self._signatures()
            changed = [name for name, signature in now.items() if self._seen.get(name) != signature]
            gone = set(self._seen) - set(now)
            for name in gone:
                self._taught.pop(name, None)
                self._problems.pop(name, None)
            for name in changed:
                self._read(name)
            self._seen = now
            return bool(changed or gone)

    def add(
        self, name: str, examples: Sequence[Example], *, text: str = "", fresh: bool = False
    ) -> TaughtPredicate:
        """Label contacts; one that is labelled already gets the new label.

        Args:
            text: what the predicate means; empty: as it was.
            fresh: forget what was labelled before.

        Raises:
            TeachingError: see :func:`teach`.
            OSError: it cannot be written.
        """

        def labelled(before: TaughtPredicate | None) -> TaughtPredicate:
            new = {example.contact_id: example for example in examples}
            old = () if before is None or fresh else before.examples
            kept = [example for example in old if example.contact_id not in new]
            said = text or ("" if before is None else before.text)
            return teach(name, [*kept, *examples], self._id_of(before, fresh), said)

        return self._changed(name, labelled)

    def take_back(self, name: str, contact_ids: Sequence[str]) -> TaughtPredicate:
        """Without the labels of these contacts. Raises TeachingError where there is no such label, OSError."""

        def without(before: TaughtPredicate | None) -> TaughtPredicate:
            if before is None:
                raise TeachingError(f"no predicate `{name}` was taught in {self.folder}")
            known = {example.contact_id for example in before.examples}
            if missing := [contact for contact in contact_ids if contact not in known]:
                raise TeachingError(f"contact `{missing[0]}` has no label for `{name}`; nothing to take back")
            kept = [example for example in before.examples if example.contact_id not in contact_ids]
            return teach(name, kept, before.features_id, before.text)

        return self._changed(name, without)

    def remove(self, name: str) -> None:
        """Raises TeachingError where there is none, OSError."""
        check_name(name)
        with self._lock, files.locked(self.folder):
            if not files.remove(self.folder, name):
                raise TeachingError(
                    f"no predicate `{name}` was taught in {self.folder}; {among(name, self._taught)}"
                )
            self.reload()

    def _changed(
        self, name: str, change: Callable[[TaughtPredicate | None], TaughtPredicate]
    ) -> TaughtPredicate:
        check_name(name)
        with self._lock, files.locked(self.folder):
            self.reload()
            before = self[name] if name in self._taught or name in self._problems else None
            taught = change(before)
            files.save(taught, self.folder)
            self._taught[name] = taught
            self._seen = self._signatures()
            return taught

    def _id_of(self, before: TaughtPredicate | None, fresh: bool) -> str:
        if self._features_id or before is None or fresh:
            return self._features_id
        return before.features_id

    def _read(self, name: str) -> None:
        self._taught.pop(name, None)
        self._problems.pop(name, None)
        try:
            self._taught[name] = files.load(self.folder / name, self._features_id, self._embed)
        except TeachingError as error:
            self._problems[name] = str(error)

    def _signatures(self) -> dict[str, Signature]:
        found: dict[str, Signature] = {}
        for path in sorted(self.folder.glob(f"*/{FILE}")):
            try:
                stat = path.stat()
            except OSError:
                continue  # removed meanwhile
            found[path.parent.name] = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        return found
