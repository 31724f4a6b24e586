"""The pages of the site: `python docs/website.py` writes them into build/website, and zensical lays them out.

    README.md                  ──►  index.md
    docs/*.md                  ──►  the same, with their links changed
    minizmtp, minihttp         ──►  api/….md: every public name, described by its docstring
    the README's table         ──►  book/….md: every module, in reading order, with its docstring and source
    python -m minizmtp.demo    ──►  tour.html, and python -m minizmtp.html ──► zmtp.html

Links in the texts lead to files of the repository. A link to a file that has a page on the site is changed to that
page; any other link goes to the repository whose address is in REPOSITORY_URL, and is dropped if there is none.

    >>> markdown("see [the frames](minizmtp/wire/frames.py) and [tests](tests)", "index.md")
    'see [the frames](book/minizmtp.wire.frames.md) and tests'
    >>> markdown("[the same](../minizmtp/wire/frames.py), [here](#title), [FAQ](FAQ.md)", "docs/FAQ.md")
    '[the same](book/minizmtp.wire.frames.md), [here](#title), [FAQ](FAQ.md)'
"""

import importlib
import inspect
import os
import posixpath
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

TOP = Path(__file__).parent.parent
README = TOP / "README.md"
WEBSITE = TOP / "build" / "website"
sys.path.insert(0, str(TOP))

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
ROW = re.compile(r"^\|  ?\| \[`[\w.]+`\]\(((?:minizmtp|examples)/[\w/]+)\.py\) \|", re.MULTILINE)

PACKAGES = {
    "minizmtp": "The library, with the names of pyzmq.",
    "minizmtp.auth": "A ZAP handler, with pyzmq's names.",
    "minihttp": "The HTTP client and the server, with the names of httpx.",
}


@cache
def modules() -> list[str]:
    """The modules in reading order, as the README's last table lists them, and then those of minihttp.

    >>> modules()[0], "minihttp.connection" in modules()
    ('minizmtp.errors', True)
    """
    listed = [path.replace("/", ".") for path in ROW.findall(README.read_text("utf-8"))]
    ours = [name for name in listed if name.startswith("minizmtp.")]
    return ours + sorted(f"minihttp.{path.stem}" for path in (TOP / "minihttp").glob("[!_]*.py"))


# -------------------------------------------------------------------------------------------------------------- links


def markdown(text: str, source: str, repository: str = "") -> str:
    """The text with its links changed for the site. source: the file that it comes from, seen from the top."""
    folder = "" if source == "index.md" else posixpath.dirname(source)

    def changed(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        words = LINK.sub(changed, words)
        path, _, anchor = target.partition("#")
        if "://" in target or not path:
            return f"{mark}[{words}]({target})"
        path = posixpath.normpath(posixpath.join(folder, path))
        page = page_of(path)
        if page:
            return f"{mark}[{words}]({page}{'#' + anchor if anchor else ''})"
        return f"[{words}]({repository.rstrip('/')}/blob/HEAD/{path})" if repository else words

    return LINK.sub(changed, text)


def page_of(path: str) -> str:
    """The page for a file of the repository; "" if it has none.

    >>> page_of("docs/FAQ.md"), page_of("README.md"), page_of("minizmtp/wire/frames.py"), page_of("tests/test_book.py")
    ('FAQ.md', 'index.md', 'book/minizmtp.wire.frames.md', '')
    """
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/") and path.endswith((".md", ".png", ".svg")):
        return path.removeprefix("docs/")
    module = path.removesuffix(".py").replace("/", ".")
    return f"book/{module}.md" if path.endswith(".py") and module in modules() else ""


# -------------------------------------------------------------------------------------------------------------- pages


def public_names(package: ModuleType) -> list[str]:
    """The names that a package exports, or a module defines.

    >>> import minizmtp
    >>> {"Socket", "Context", "proxy"} <= set(public_names(minizmtp))
    True
    """
    names = getattr(package, "__all__", None)
    if names is not None:
        return sorted(names)
    return sorted(
        name
        for name, thing in vars(package).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == package.__name__
    )


def api_page(name: str) -> str:
    """The reference of a package: its classes and functions with their docstrings, and its constants as a table."""
    package = importlib.import_module(name)
    described, constants, others = [], [], []
    for each in public_names(package):
        thing = getattr(package, each)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            described.append(each)
        elif isinstance(thing, int):
            constants.append(f"| `{each}` | {int(thing)} |")
        else:
            others.append(f"* `{each}`: {(inspect.getdoc(thing) or '').partition(chr(10))[0]}")
    lines = [f"# {name}", "", PACKAGES[name], ""]
    for each in described:
        lines += [f"::: {name}.{each}", ""]
    if others:
        lines += ["## Modules and values", "", *others, ""]
    if constants:
        lines += ["## Constants", "", "| name | value |", "| --- | ---: |", *constants, ""]
    return "\n".join(lines)


def book() -> dict[str, str]:
    """The chapters, and a page that lists them."""
    names = modules()
    table = (
        README.read_text("utf-8").partition("<!-- reading order: begin -->")[2].partition("<!-- reading order: end")[0]
    )
    pages = {"book/index.md": f"# The book, in reading order\n{markdown(table, 'index.md').replace('](book/', '](')}"}
    for before, name, after in zip(["", *names], names, [*names[1:], ""], strict=False):
        links = [f"[{words}: {it}]({it}.md)" for words, it in (("Before", before), ("Next", after)) if it]
        chapter = f"# {name}\n\n{' · '.join([*links, '[all chapters](index.md)'])}\n\n::: {name}\n{PLAIN}"
        pages[f"book/{name}.md"] = chapter
    return pages


# The page has the module's name as its title already.
PLAIN = "    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"


def documents(repository: str) -> dict[str, str]:
    """The README and docs/*.md."""
    index = f"{markdown(README.read_text('utf-8'), 'index.md', repository)}\n{PAGES}"
    others = {path.name: path.read_text("utf-8") for path in TOP.joinpath("docs").glob("*.md")}
    return {"index.md": index} | {name: markdown(text, f"docs/{name}", repository) for name, text in others.items()}


PAGES = "Two pages made by the tools: [the tour](tour.html), and [ZMTP, octet by octet](zmtp.html).\n"


def fenced(docstring: str) -> str:
    """The docstring with its examples as blocks of code, because Markdown would take >>> for quotations.

    >>> fenced("Two.\\n\\n>>> 1 + 1\\n2\\n\\nThat is all.").splitlines()[2:6]
    ['```pycon', '>>> 1 + 1', '2', '```']
    """
    return re.sub(
        r"^>>> (?:.+\n?)+", lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", docstring, flags=re.MULTILINE
    )


try:
    from griffe import Extension
except ImportError:  # only zensical needs it
    Extension = object


class Doctests(Extension):  # type: ignore[misc]
    """For griffe, which reads the docstrings for zensical."""

    def on_object(self, *, obj: Any, **others: object) -> None:
        """Change the docstring of each module, class and function."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def main() -> None:
    """Write all pages."""
    shutil.rmtree(WEBSITE, ignore_errors=True)
    texts = documents(os.environ.get("REPOSITORY_URL", "")) | book() | {f"api/{it}.md": api_page(it) for it in PACKAGES}
    for path, text in texts.items():
        WEBSITE.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        WEBSITE.joinpath(path).write_text(text, "utf-8")
    for picture in [*TOP.glob("docs/*.png"), *TOP.glob("docs/*.svg")]:
        shutil.copy(picture, WEBSITE)
    for command in (["minizmtp.demo", "--html", "tour.html"], ["minizmtp.html", "zmtp.html"]):
        file = WEBSITE / command[-1]
        subprocess.run([sys.executable, "-m", *command[:-1], str(file)], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    print(f"{len(texts)} pages are in {WEBSITE}: now run zensical build --strict")


if __name__ == "__main__":
    main()
