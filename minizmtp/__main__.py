"""What can be run: `python -m minizmtp` prints the tools of this package, each with a line about it.

    >>> main()                                                                          # doctest: +ELLIPSIS
    python -m minizmtp.demo   ...

Each tool explains its own options with `--help`. It can be read alone.
"""

TOOLS = {
    "minizmtp.demo": "how an HTTP request differs from a ZeroMQ message, shown live on real sockets",
    "minizmtp.tap": "a relay between two peers that names every octet that passes",
    "minizmtp.check": "a check of any ZMTP socket, rule by rule",
    "minizmtp.learn": "build your own ZeroMQ in ten steps, with a checker that attacks it",
    "minizmtp.html": "recorded conversations with libzmq as a page",
    "minihttp": "the HTTP client and server that the demo compares with",
}


def main() -> None:
    """Print one line for each tool."""
    for name, purpose in TOOLS.items():
        print(f"python -m {name:15} {purpose}")


if __name__ == "__main__":
    main()
