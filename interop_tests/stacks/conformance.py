"""docs/CONFORMANCE.md, from what checks have found."""


def write(found): ...
