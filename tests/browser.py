"""A real browser for the tests of pages: headless Chromium, controlled through Selenium.

Without Chromium, the tests that need it are skipped with a message; `.ci/run` installs it if it can.
"""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

# Flags that disable updates and reports, and avoid features that a container doesn't have.
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage
""".split()  # noqa: SIM905

# The contrast of each text on the page with its background, as defined by WCAG 2.
CONTRASTS = """
const channel = v => (v /= 255, v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const colour = words => words.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = element => {
  for (let it = element; it; it = it.parentElement) {
    const [r, g, b, a = 1] = colour(getComputedStyle(it).backgroundColor);
    if (a === 1) return [r, g, b];
    if (a !== 0) throw new Error("half transparent: " + it.outerHTML.slice(0, 80));
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const ink = colour(element.closest("svg") ? style.fill : style.color);
  const [one, two] = [light(ink), light(behind(element))].sort((a, b) => a - b);
  found.push([(two + 0.05) / (one + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
}
return found;
"""


class Browser:
    """Chromium with one page open at a time."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def command(self, name: str, **arguments: object) -> Any:
        """Run a command of the DevTools protocol."""
        return self._driver.execute_cdp_cmd(name, arguments)

    def open(self, page: Path, *, width: int = 1280, dark: bool = False, printed: bool = False) -> None:
        """Load a page from its file; earlier console messages and requests are dropped."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="print" if printed else "screen", features=[scheme])
        self.console(), self.requests()
        self._driver.get(page.as_uri())

    @contextmanager
    def without_script(self) -> Iterator[None]:
        """Disable scripts on the pages that the body opens."""
        self.command("Emulation.setScriptExecutionDisabled", value=True)
        yield
        self.command("Emulation.setScriptExecutionDisabled", value=False)

    def ask(self, script: str, *arguments: object) -> Any:
        """Run a script of the test, and return its result."""
        return self._driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """The page's errors and warnings."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The URLs of all requests of the page."""
        events = [json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")]
        return [it["params"]["request"]["url"] for it in events if it["method"] == "Network.requestWillBeSent"]

    def press(self, key: str) -> None:
        """Send a key to the element that has the focus."""
        self._driver.switch_to.active_element.send_keys(key)

    def tab_through(self, most: int = 2000) -> list[str]:
        """Press Tab until the focus is back at the start; return the HTML of each element that had it."""
        stops: list[str] = []
        for _ in range(most):
            self.press(Keys.TAB)
            stop = self.ask("const it = document.activeElement; return it === document.body ? '' : it.outerHTML")
            if not stop:
                return stops
            stops.append(stop)
        raise AssertionError("the focus never came back")

    def spoken(self) -> str:
        """The text of the page's accessibility tree, in order, as a screen reader gets it."""
        nodes = {it["nodeId"]: it for it in self.command("Accessibility.getFullAXTree")["nodes"]}

        def text(node: dict[str, Any]) -> Iterator[str]:
            if not node["ignored"] and node["role"]["value"] in ("StaticText", "image"):
                yield node["name"]["value"].strip()
            for child in node["childIds"]:
                yield from text(nodes[child])

        root = next(it for it in nodes.values() if "parentId" not in it)
        return " ".join(filter(None, text(root)))

    def pdf(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.command("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Run a browser during the body. profile: an empty folder for its data."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
