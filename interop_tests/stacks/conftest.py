"""These tests are run only when this folder is named on the command line: `pytest interop_tests/stacks`."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The drivers are programs, and have no doctests."""
    if collection_path.suffix != ".py" or collection_path.name == "__init__.py":
        return None
    named = any("stacks" in argument for argument in config.invocation_params.args)
    return None if named and collection_path.name.startswith("test_") else True
