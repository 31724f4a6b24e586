"""The tree of errors is httpx's, so an `except` clause for httpx catches the same errors here."""

import httpx
import pytest

import minihttp
from minihttp import errors

NAMES = [name for name in minihttp.__all__ if hasattr(errors, name)]


def ancestors(error: type) -> list[str]:
    return [base.__name__ for base in error.__mro__]


@pytest.mark.parametrize("name", NAMES)
def test_each_error_has_the_name_and_bases_it_has_in_httpx(name):
    assert ancestors(getattr(minihttp, name)) == ancestors(getattr(httpx, name))
