"""The stacks that the check is run on: how each is installed, and how its driver is started.

Each is pinned and comes from the registry of its language. What it needs (Go, Rust, Java with Maven, Node.js, a newer
Python) may be missing; then it is left out, and a sentence says so.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PYZMQ_DRIVER = HERE / "pyzmq_driver.py"
DEBIANS_PYTHON = "/usr/bin/python3"
LONGEST = 900.0  # seconds for one step of an installation


class Missing(Exception):
    """A stack can't be installed here. The text is a sentence."""


class Stack(NamedTuple):
    """install: puts it into a folder. command: starts its driver from there. language: of the stack."""

    key: str
    title: str
    language: str
    install: Callable[[Path], None]
    command: Callable[[Path], list[str]]


def cache() -> Path:
    """Where stacks are installed: MINIZMTP_STACKS, or a folder of the user's cache."""
    return Path(os.environ.get("MINIZMTP_STACKS") or Path.home() / ".cache" / "minizmtp-stacks")


def run(folder: Path, *words: str | Path) -> None:
    """One step of an installation. Raises Missing."""
    name = Path(words[0]).name
    try:
        done = subprocess.run(
            list(map(str, words)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST
        )
    except FileNotFoundError:
        raise Missing(f"{name} is not installed.") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{name} took more than {LONGEST:g} s.") from None
    if done.returncode:
        last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
        raise Missing(f"{name} failed: {''.join(last)}")


def python_of(*versions: str) -> Callable[[], str]:
    """Finds a Python of one of these versions."""

    def find() -> str:
        candidates = [sys.executable]
        for version in versions:
            candidates += map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
            candidates += filter(None, [shutil.which(f"python{version}")])
        check = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        for candidate in candidates:
            found = subprocess.run([candidate, "-c", check], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if found.stdout.decode().strip() in versions:
                return candidate
        raise Missing(f"Python {' or '.join(versions)} is not installed.")

    return find


def copied(language: str, folder: Path) -> None:
    """Put the driver's sources into the folder."""
    shutil.copytree(HERE / language, folder, dirs_exist_ok=True)


def python_stack(
    key: str, title: str, language: str, requirement: str, module: str, python: Callable[[], str]
) -> Stack:
    """A stack with pyzmq's names, in an environment of its own."""

    def install(folder: Path) -> None:
        run(folder, python(), "-m", "venv", "venv")
        run(folder, folder / "venv/bin/pip", "install", "--quiet", "--only-binary", ":all:", requirement)

    def command(folder: Path) -> list[str]:
        return [str(folder / "venv/bin/python"), str(PYZMQ_DRIVER), module]

    return Stack(key, title, language, install, command)


def install_debian(folder: Path) -> None:
    """Debian's libzmq, by its package of pyzmq."""
    run(folder, "apt-get", "install", "--yes", "--quiet", "python3-zmq")
    run(folder, DEBIANS_PYTHON, "-c", "import zmq")


def install_node(folder: Path) -> None:
    """npm's zeromq ships a compiled library."""
    copied("node", folder)
    run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund")


def install_java(folder: Path) -> None:
    """JeroMQ, by Maven."""
    copied("java", folder)
    run(folder, "mvn", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath")


def install_go(folder: Path) -> None:
    """go-zeromq/zmq4, by Go's modules."""
    copied("go", folder)
    run(folder, "go", "mod", "tidy")
    run(folder, "go", "build", "-o", "driver", ".")


def crate(sources: str) -> Callable[[Path], None]:
    """Installs a driver and its crate, by cargo."""

    def install(folder: Path) -> None:
        copied(sources, folder)
        run(folder, "cargo", "build", "--release", "--quiet")

    return install


def java_command(folder: Path) -> list[str]:
    """The class path was written down by Maven."""
    return ["java", "-cp", f"{folder / 'target/classes'}:{(folder / 'classpath').read_text()}", "Driver"]


STACKS = [
    Stack(
        "minizmtp",
        "minizmtp",
        "Python",
        lambda folder: None,
        lambda folder: [sys.executable, "-m", "minizmtp.check.driver"],
    ),
    Stack(
        "libzmq",
        "libzmq, by pyzmq",
        "C++",
        lambda folder: None,
        lambda folder: [sys.executable, str(PYZMQ_DRIVER)],
    ),
    python_stack(
        "libzmq-4.3.4", "libzmq 4.3.4, by an older pyzmq", "C++", "pyzmq==24.0.1", "zmq", lambda: sys.executable
    ),
    python_stack("libzmq-4.3.2", "libzmq 4.3.2, by pyzmq 19", "C++", "pyzmq==19.0.2", "zmq", python_of("3.8")),
    python_stack("libzmq-4.2.5", "libzmq 4.2.5, by pyzmq 17", "C++", "pyzmq==17.1.2", "zmq", python_of("3.7")),
    python_stack("libzmq-4.1.6", "libzmq 4.1.6, by pyzmq 16", "C++", "pyzmq==16.0.4", "zmq", python_of("3.6")),
    Stack(
        "debian",
        "Debian's libzmq",
        "C++",
        install_debian,
        lambda folder: [DEBIANS_PYTHON, str(PYZMQ_DRIVER)],
    ),
    python_stack("pyomq", "omq.rs, by pyomq", "Rust", "pyomq==0.27.3", "pyomq", python_of("3.13", "3.12")),
    Stack(
        "zeromq.js",
        "npm's zeromq",
        "JavaScript",
        install_node,
        lambda folder: ["node", str(folder / "driver.js")],
    ),
    Stack("jeromq", "JeroMQ", "Java", install_java, java_command),
    Stack("go-zeromq", "go-zeromq/zmq4", "Go", install_go, lambda folder: [str(folder / "driver")]),
    Stack("zmq.rs", "zmq.rs", "Rust", crate("rust"), lambda folder: [str(folder / "target/release/driver")]),
    Stack("rzmq", "rzmq", "Rust", crate("rzmq"), lambda folder: [str(folder / "target/release/driver")]),
]
BUILT_IN = ("minizmtp", "libzmq")


def installed(stack: Stack) -> bool:
    """Whether it is there."""
    return stack.key in BUILT_IN or (cache() / stack.key / "installed").exists()


def install(stack: Stack) -> None:
    """Install it, unless it is there. Raises Missing."""
    if installed(stack):
        return
    folder = cache() / stack.key
    folder.mkdir(parents=True, exist_ok=True)
    stack.install(folder)
    (folder / "installed").touch()


def command_of(stack: Stack) -> str:
    """The command line of its driver."""
    return shlex.join(stack.command(cache() / stack.key))
