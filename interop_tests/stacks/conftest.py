"""These tests are run only when this folder is named on the command line: `pytest interop_tests/stacks`."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = any("stacks" in argument for argument in config.invocation_params.args)
    return None if named or collection_path.name == "__init__.py" else True
