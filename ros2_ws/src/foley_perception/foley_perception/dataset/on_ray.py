"""Many sources, each cut by a task of Ray Data: on this machine, or on those of a cluster.

One source is one block of one row, so that what a lost worker or node costs is its source's work: Ray gives that
to another worker. It does so without end where the source itself kills its worker (by memory, say), so that tries are
counted in the data set's folder. Which task runs where is Ray's business.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from foley_perception.dataset.schema import DatasetError
from foley_perception.dataset.workers import Spread, done_or_why

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
TRIES = 4  # of a source whose worker or node is lost each time
INSTALL = "set up with FOLEY_EXTRAS='learn sim scene planning dev cluster', or pip install -r requirements/cluster.txt"
LOST = (
    f"its worker process died {TRIES} times, as when memory runs out: give more memory, or fewer --workers at a "
    "time"
)
_HINT = "; does the cluster ask for a token? then set RAY_AUTH_MODE=token, and its token as Ray's pages say"
_OBJECTS_BYTES = 100 << 20  # Ray's store: only paths and counts go through it
_ANSWER_S = 60.0  # that a node has to say what it sees


class Recording(Protocol):
    """What is asked of a source here; staging.py says the rest."""

    @property
    def path(self) -> Path: ...
    def identity(self) -> str: ...


@dataclasses.dataclass
class OnRay:
    """Ray, within a `with` block: what `over` gives is what `workers.each` is for processes of this machine.

    Args:
        address: of a cluster, `auto`, `host:6379` or `ray://host:10001`; empty: Ray is started here, and ended again.
        workers: tasks at a time; 0: as many as there are cores.

    Raises:
        DatasetError: Ray is not installed, cannot be reached, or runs in this process already.
    """

    address: str = ""
    workers: int = 0

    def __enter__(self) -> OnRay:
        ray = _ray()
        if ray.is_initialized():
            raise DatasetError("Ray runs in this process already: end it first (ray.shutdown())")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        here: dict[str, Any] = {
            "num_cpus": self.workers or os.cpu_count() or 1,
            "num_gpus": 0,
            "object_store_memory": _OBJECTS_BYTES,
            "include_dashboard": False,
            "dashboard_host": "127.0.0.1",
        }
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Paths must mean the same everywhere, and `uv run` and the like must not be repeated on nodes.
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        try:
            ray.init(address=self.address or "local", **quiet, **({} if self.address else here))
        except Exception as error:
            told = f"--ray-address {self.address}" if self.address else "--ray"
            hint = _HINT if self.address else ""
            raise DatasetError(f"{told}: Ray cannot be reached or started ({error}){hint}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with contextlib.suppress(Exception):
            _ray().shutdown()

    def over(
        self,
        sources: Sequence[Recording],
        folder: Path,
        to_text: Callable[[Any], str],
        of_text: Callable[[str], Any],
    ) -> Spread:
        """What spreads the work on sources for the data set in ``folder``, which every node must see as it is here.

        ``work`` is called again for an item whose worker was lost.

        Args:
            to_text: of what work makes, as nodes tell it.
            of_text: its inverse.

        Raises:
            DatasetError: a node does not, or does not know Foley; with its name.
        """
        if self.address:
            self._check_nodes(sources, folder)
        tries = folder.resolve() / "parts" / "owners"
        return functools.partial(self._each, tries=tries, to_text=to_text, of_text=of_text)

    def _each(
        self,
        items: Sequence[_Item],
        work: Callable[[_Item], _Made | str],
        *,
        tries: Path,
        to_text: Callable[[Any], str],
        of_text: Callable[[str], Any],
    ) -> Iterator[tuple[_Item, _Made | str]]:
        """What becomes of each item, in the order in which they are done; why it failed, as a string.

        Args:
            tries: folder in which they are counted.

        Raises:
            DatasetError: Ray ended.
        """
        everything, turn, workers = tuple(items), uuid.uuid4().hex, self.workers

        def one(row: dict[str, Any]) -> dict[str, Any]:
            index = int(row["index"])
            many = _tried(tries / f"tries-{turn}-{index}") > TRIES
            made = LOST if many else done_or_why(lambda: work(everything[index]))
            why = made if isinstance(made, str) else ""
            return {"index": index, "why": why, "text": "" if why else to_text(made)}

        def rows() -> Iterator[dict[str, Any]]:
            return _mapped(one, len(everything), workers)

        missing = dict(enumerate(items))
        if not items:
            return
        for row in _told(_within_cluster(rows) if self.address.startswith("ray://") else rows()):
            if int(row["index"]) in missing:
                yield missing.pop(int(row["index"])), row["why"] or of_text(row["text"])
        for item in missing.values():
            yield item, LOST

    def _check_nodes(self, sources: Sequence[Recording], folder: Path) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        token = folder / "parts" / f"seen-{uuid.uuid4().hex}"
        token.write_text(token.name)
        listed = [(source, source.identity()) for source in sources]
        try:
            asked = {}
            for node in ray.nodes():
                if node["Alive"] and node["Resources"].get("CPU"):
                    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                    task = ray.remote(num_cpus=0, max_retries=1, scheduling_strategy=there)(unseen)
                    asked[f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"] = task.remote(
                        listed, token.resolve()
                    )
            for name, answer in asked.items():
                _refuse_unseen(name, answer)
        finally:
            token.unlink(missing_ok=True)


def _told(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same. Raises DatasetError where Ray does not go on, as when its cluster ends."""
    while True:
        try:
            row = next(rows, None)
        except Exception as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            raise DatasetError(
                f"Ray ended before the build did ({reason}); build again: what was cut is kept"
            ) from error
        if row is None:
            return
        yield row


def _mapped(
    work: Callable[[dict[str, Any]], dict[str, Any]], count: int, workers: int
) -> Iterator[dict[str, Any]]:
    """What Ray Data makes of `{"index": number}`, a block each, in the order in which they are done."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # what cannot be done at all is told by its absence
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    items = ray.data.from_items([{"index": index} for index in range(count)], override_num_blocks=count)
    made: Iterator[dict[str, Any]] = iter(
        items.map(work, num_cpus=1, concurrency=workers or None).iter_rows()
    )
    return made


def _within_cluster(rows: Callable[[], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The same where this process is only a client: Ray Data runs in a task, and tells through a queue."""
    import ray
    from ray.util.queue import Empty, Queue

    queue = Queue(actor_options={"num_cpus": 0})

    def tell() -> None:
        for row in rows():
            queue.put(row)

    task = ray.remote(num_cpus=0, max_retries=0)(tell).remote()
    ended = False
    while True:
        try:
            yield queue.get(timeout=1.0)
        except Empty:
            if ended:
                break
            ended = bool(ray.wait([task], timeout=0)[0])  # what it told last may just have come
    ray.get(task)
    queue.shutdown()


def unseen(sources: Sequence[tuple[Recording, str]], token: Path) -> str:
    """What of a build is not seen on this machine as it is elsewhere; empty: nothing.

    Args:
        sources: with their identities.
        token: a file in the data set's folder, whose content is its own name.
    """
    try:
        written = token.read_text()
    except OSError:
        written = ""
    if written != token.name:
        return f"the data set's folder {token.parent.parent}"
    for source, identity in sources:
        try:
            if source.identity() != identity:
                return f"{source.path} as it is (another size or time)"
        except OSError:
            return str(source.path)
    return ""


def _tried(file: Path) -> int:
    """How often an item has been begun, this time included."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as marks:
        marks.write(b".")
        return marks.tell()


def _refuse_unseen(name: str, answer: Any) -> None:
    import ray

    try:
        found = ray.get(answer, timeout=_ANSWER_S)
    except Exception as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise DatasetError(
            f"node {name}: Foley does not run there ({reason}); set Foley up on it, and run `ray start` in a shell "
            "with env.sh"
        ) from error
    if found:
        raise DatasetError(
            f"node {name} does not see {found}: bags and data set must lie on storage that all nodes mount at the "
            "same path"
        )


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DatasetError(f"--ray needs Ray, which is not installed ({error}): {INSTALL}") from error
    return ray
