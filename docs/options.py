"""Writes the table of options in OPTIONS.md: a line for each row of `minizmtp.options.Options`.

python docs/options.py         rewrites the table; tests/minizmtp/test_options.py fails if it is outdated
"""

from pathlib import Path

from minizmtp.options import ANY_TRANSPORT, OPTION_ROWS, Alias, Options

DOCUMENT = Path(__file__).parent / "OPTIONS.md"
HEAD = "| option | for | over | type | values | default | acts | meaning |\n"


def table() -> str:
    """All options as a table in Markdown, and their other names."""
    lines = [HEAD + "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, row in OPTION_ROWS.items():
        kinds = " ".join(kind.name for kind in row.socket_types) or "all"
        if row.acts_on:
            kinds += f"; acts on {' '.join(kind.name for kind in row.acts_on)}"
        over = "all" if row.over == ANY_TRANSPORT else " ".join(row.over)
        needs = f"; needs {' or '.join(f'`{need}`' for need in row.needs)}" if row.needs else ""
        lines.append(
            f"| `{name}` | {kinds} | {over} | {row.type.__name__} | {row.rule.words} | {row.default!r}"
            f" | {row.acts} | {row.meaning}{needs} |"
        )
    aliases = [(name, row) for name, row in vars(Options).items() if isinstance(row, Alias)]
    lines += ["", *(f"`{name}` sets {' and '.join(f'`{other}`' for other in row.names)}." for name, row in aliases)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(text.partition(HEAD)[0] + table(), "utf-8")
