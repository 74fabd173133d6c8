"""The advisor's core from its configuration: small files of the models' folders alone, no weights."""

from __future__ import annotations

from pathlib import Path

from foley_synthesis import checkpoint
from foley_synthesis.beliefs import predicates_file
from foley_synthesis.beliefs.contact_bank import ContactBank, load_bank
from foley_synthesis.beliefs.fitted import load_fitted
from foley_synthesis.beliefs.fusion import FusionConfig
from foley_synthesis.checkpoint import VOCABULARY_FILE, CorruptCheckpoint, Vocabulary, read_yaml
from foley_synthesis.hearing.inference.opened import DEFAULT_HEARING, HEARD_PART
from foley_synthesis.live.advisor_config import AdvisorConfig
from foley_synthesis.live.advisor_core import AdvisorCore


def make_advisor_core(config: AdvisorConfig) -> tuple[AdvisorCore, Vocabulary, str]:
    """The core, its vocabulary, and what is to be said of it (empty: nothing).

    Raises:
        CorruptCheckpoint: a file is missing or damaged.
        VocabularyError, OSError: the predicates file is refused, or cannot be read.
    """
    folder = checkpoint.located(config.checkpoint) if config.checkpoint else checkpoint.default_path()
    vocabulary = _vocabulary(folder)
    sight = checkpoint.model_id_of(folder)
    name = config.hearing or DEFAULT_HEARING
    heard = sight if name == HEARD_PART else checkpoint.model_id_of(checkpoint.located(name))
    file = (
        Path(config.predicates_file).expanduser()
        if config.predicates_file
        else predicates_file.default_path()
    )
    specs = predicates_file.load(file, vocabulary.labels)
    fusion = next((fit.config for fit in load_fitted(folder) if fit.is_for(heard, sight)), None)
    bank, notes = _bank(folder, heard, vocabulary)
    if fusion is None:
        notes.append(
            f"no fusion was fitted for these models in {folder}: contacts are weighed with the default one"
        )
    core = AdvisorCore(vocabulary.labels, bank, fusion or FusionConfig(), specs, config.costs())
    return core, vocabulary, "; ".join(notes)


def _bank(folder: Path, heard: str, vocabulary: Vocabulary) -> tuple[ContactBank | None, list[str]]:
    bank = load_bank(folder, heard)
    if bank is not None and bank.labels == vocabulary.labels:
        return bank, []
    why = "is over other labels" if bank is not None else "was not measured for what hears"
    cure = "`foley evaluate contacts` measures it; until then contacts are suggested without their worth"
    return None, [f"{folder}: what hearing says of contacts {why}; {cure}"]


def _vocabulary(folder: Path) -> Vocabulary:
    words = read_yaml(folder / VOCABULARY_FILE)
    try:
        return Vocabulary(str(words["name"]), str(words["version"]), tuple(map(str, words["labels"])))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpoint(folder / VOCABULARY_FILE, f"not a vocabulary ({error})") from error
