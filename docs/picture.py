"""The picture of a page in the README: `python docs/picture.py` writes docs/page.png.

It takes the page of the recorded conversations, opens the first conversation and its third record in Chromium, and
takes a picture. So it needs what the tests of pages need: Chromium and chromedriver, selenium, and the html extra.
"""

import base64
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).parent.parent
sys.path.insert(0, str(TOP))

PICTURE = TOP / "docs" / "page.png"
WIDTH, HEIGHT = 1240, 880

# The reader's clicks: a conversation, and in it the client's READY.
OPEN = """
document.querySelector('.conversation > details').open = true;
document.querySelectorAll('.record > details')[2].open = true;
document.querySelector('.ladder + .ends').scrollIntoView();
"""


def main() -> None:
    """Write the picture."""
    from minizmtp.html.__main__ import main as write_page
    from tests.browser import chromium

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "zmtp.html")
        write_page([str(page)])
        with chromium(Path(folder, "profile")) as browser:
            browser.open(page, width=WIDTH)
            browser.ask(OPEN)
            top = browser.ask("return window.scrollY")
            clip = {"x": 0, "y": top, "width": WIDTH, "height": HEIGHT, "scale": 1}
            shot = browser.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    PICTURE.write_bytes(base64.b64decode(shot["data"]))
    print(f"The picture is in {PICTURE}.")


if __name__ == "__main__":
    main()
