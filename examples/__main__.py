"""`python -m examples` lists the programs in this folder, each with the first line of its docstring."""

import ast
from pathlib import Path


def main() -> None:
    """Print one line for each program."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        title = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("  ")[0]
        print(f"python -m examples.{path.stem:17} {title.splitlines()[0]}")


if __name__ == "__main__":
    main()
