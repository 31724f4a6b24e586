"""The site: the reference has every public name, and every link leads to a page."""

import importlib
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import website

ROOT = Path(__file__).parent.parent
COMMAND = "pip install -e '.[docs]' && python docs/website.py && zensical build --strict"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    api = {f"api/{name}.md": website.api_page(name) for name in website.PACKAGES}
    return website.documents("") | website.book() | api


@pytest.mark.parametrize("package", website.PACKAGES)
def test_the_reference_has_every_public_name(package):
    page = website.api_page(package)
    names = website.public_names(importlib.import_module(package))
    assert len(names) >= 2
    assert [name for name in names if not re.search(rf"^(::: {package}\.{name}|.*`{name}`)", page, re.MULTILINE)] == []


def test_every_link_of_the_site_leads_to_a_page(pages):
    files = {"tour.html", "zmtp.html", *(path.name for path in ROOT.glob("docs/*.[ps][nv]g"))}
    for path, text in pages.items():
        text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for _, _, target in website.LINK.findall(text):
            if "://" in target or target.startswith("#"):
                continue
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))
            assert place in pages.keys() | files, f"{path}: {target}"


def test_every_document_has_its_place_in_the_navigation(pages):
    listed = set(re.findall(r'"([\w./]+\.md)"', (ROOT / "zensical.toml").read_text("utf-8")))
    assert listed == {path for path in pages if not path.startswith("book/")} | {"book/index.md"}


def test_a_link_without_a_page_leads_to_the_repository():
    text = website.markdown("[a](tests) and [![b](docs/page.png)](docs/page.png)", "index.md", "https://example.org/x/")
    assert text == "[a](https://example.org/x/blob/HEAD/tests) and [![b](page.png)](page.png)"


def test_the_workflow_builds_the_site_as_its_configuration_says():
    assert f"- run: {COMMAND}\n" in (ROOT / ".github/workflows/pages.yml").read_text("utf-8")
    assert f"#     {COMMAND}\n" in (ROOT / "zensical.toml").read_text("utf-8")


def test_the_picture_in_the_readme_is_small():
    picture = (ROOT / "docs/page.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 250_000
    assert "](docs/page.png)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zensical"), reason="zensical is not installed: pip install '.[docs]'")
def test_the_site_is_built_without_a_warning():
    for command in ([sys.executable, "docs/website.py"], ["zensical", "build", "--strict", "--clean"]):
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
        assert built.returncode == 0, built.stdout + built.stderr
    for page in ("index.html", "api/minizmtp/index.html", "book/minizmtp.wire.frames/index.html", "tour.html"):
        assert (ROOT / "site" / page).is_file()
