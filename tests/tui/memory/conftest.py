"""Fixtures of the memory screen's tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def remembered(scenes: ModuleType) -> ModuleType:
    """The scenes with a memory of fixed entries."""
    name = "tui_tests_remembered"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("remembered.py"))
    assert spec is not None
    assert spec.loader is not None
    if name not in sys.modules:
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]
