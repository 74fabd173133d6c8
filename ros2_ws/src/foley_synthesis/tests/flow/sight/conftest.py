"""Sessions that sight can learn from, made once."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def seen() -> ModuleType:
    """The module `seen_sessions` beside this file."""
    spec = importlib.util.spec_from_file_location("seen_sessions", Path(__file__).parent / "seen_sessions.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
