"""`python -m tests.fuzz TARGET [options of libFuzzer] [folder of a corpus]`: atheris searches for a failure.

With a folder, the search starts from the files in it, or from correct conversations if it is empty. At a failure,
atheris writes the octets to a file `crash-…` and exits; run the target with that file as argument to reproduce it.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["minizmtp", "minihttp", "h11"]):
    import minihttp.server  # noqa: F401
    import minizmtp.wire  # noqa: F401

from tests.fuzz import http_targets, targets


def main() -> None:
    """The first argument names the target, the others are libFuzzer's."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in targets.TARGETS:
        sys.exit(f"{__doc__}\ntargets: {' '.join(targets.TARGETS)}")
    target = targets.TARGETS[name]
    for folder in filter(Path.is_dir, map(Path, sys.argv[1:])):
        if not any(folder.iterdir()):
            for number, octets in enumerate(targets.seeds(name)):
                (folder / f"seed-{number}").write_bytes(octets)
    words = Path(__file__).with_name("dictionary-http.txt" if name in http_targets.TARGETS else "dictionary.txt")
    atheris.Setup([*sys.argv, f"-dict={words}", "-max_len=4096"], lambda data: target(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
