"""`python -m minihttp URL` fetches one URL and prints the response; without a URL it says so.

    $ python -m minihttp http://127.0.0.1:8000/
    HTTP/1.1 200 OK
    content-type: text/plain
    ...

Exit code 0 for a response below 400, 1 for one above or for none, 2 for a wrong command line.
"""

import argparse
import sys
from collections.abc import Sequence

import trio

from .api import get
from .errors import HTTPError, InvalidURL


def main(arguments: Sequence[str]) -> int:
    """Fetch, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minihttp", description="Fetch one URL and print the response.")
    parser.add_argument("url", metavar="URL", help="http:// or https://")
    options = parser.parse_args(arguments)
    try:
        response = trio.run(get, options.url)
    except (HTTPError, InvalidURL) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(response.http_version, response.status_code, response.reason_phrase)
    for name, value in response.headers.multi_items():
        print(f"{name}: {value}")
    print(f"\n{response.text}")
    return int(response.is_error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
