"""The demo as a program of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Warnings are errors there, too: none may reach a reader.
PYTHON = [sys.executable, "-W", "error"]
DEMO = [*PYTHON, "-m", "minizmtp.demo"]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
    )


def run_here(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The demo after something has been done to its process."""
    start = "; from minizmtp.demo.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return run(*PYTHON, "-c", f"import sys; {code}{start}", *arguments)
