"""The evaluation of a small model."""

import json
from pathlib import Path

import pytest

from foley_perception.dataset.reader import ClipDataset
from foley_synthesis.checkpoint import load_checkpoint
from foley_synthesis.evaluation.checkpoint.evaluate import evaluate
from foley_synthesis.evaluation.checkpoint.report import save_confusion, tables


def test_evaluation_is_whole_and_a_model_that_learned_is_above_chance(
    tiny_checkpoint: Path, tiny_dataset: ClipDataset, tmp_path: Path
) -> None:
    evaluation = evaluate(load_checkpoint(tiny_checkpoint), tiny_dataset, replicates=100, threads=1)
    assert len(evaluation.materials.items) == 24 and evaluation.chance == 0.25
    assert {"heard", "planned", "executed", "majority", "nearest image"} <= set(evaluation.accuracy)
    assert evaluation.accuracy["majority"].value == pytest.approx(0.25)
    assert evaluation.above_chance()
    envelope = {name: row["envelope"].found.value for name, row in evaluation.sound.cells.items()}
    assert envelope["silence"] > envelope["planned, regression"]
    floor = envelope.pop("truth, through PCA (floor)")
    assert floor < min(envelope.values())
    document = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert sum(map(sum, document["confusion"]["heard"])) == 24
    assert any("200 or more" in note for note in document["notes"])
    save_confusion(evaluation, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    shown = tables(evaluation)
    assert [table.row_count for table in shown] == [7, 3, len(envelope) + 1]
