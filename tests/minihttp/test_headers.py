"""Headers: a list of pairs that can be asked like a dict."""

import pytest

from minihttp import Headers, LocalProtocolError


def test_setting_replaces_all_of_a_name_in_the_first_place():
    headers = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    headers["a"] = "4"
    assert headers.raw == [(b"a", b"4"), (b"B", b"2")]


def test_updating_replaces_names_and_keeps_several_values():
    headers = Headers({"A": "1", "B": "2"})
    headers.update([("a", "3"), ("a", "4")])
    assert headers.multi_items() == [("b", "2"), ("a", "3"), ("a", "4")]


def test_lists_can_be_split():
    headers = Headers([("Vary", "a, b"), ("vary", "c")])
    assert headers.get_list("vary") == ["a, b", "c"]
    assert headers.get_list("vary", split_commas=True) == ["a", "b", "c"]


def test_missing_names_are_key_errors():
    headers = Headers()
    with pytest.raises(KeyError):
        headers["x"]
    with pytest.raises(KeyError):
        del headers["x"]
    assert "x" not in headers
    assert len(headers) == 0


def test_deleting_deletes_all():
    headers = Headers([("A", "1"), ("a", "2")])
    del headers["A"]
    assert headers == {}


def test_octets_are_read_as_utf8_or_latin1():
    assert Headers([(b"a", "ü".encode())])["a"] == "ü"
    assert Headers([(b"a", b"\xfc")])["a"] == "ü"


def test_only_ascii_text_is_sent():
    with pytest.raises(LocalProtocolError, match="expected ASCII"):
        Headers({"a": "ü"})
    with pytest.raises(TypeError, match="expected str or bytes"):
        Headers({"a": 1})


def test_equality_ignores_case_and_order_of_names():
    assert Headers([("A", "1"), ("B", "2")]) == Headers([("b", "2"), ("a", "1")]) == {"a": "1", "b": "2"}
    assert Headers({"a": "1"}) != Headers({"a": "2"})


def test_repr_shows_no_secrets():
    assert repr(Headers({"Authorization": "Basic x"})) == "Headers({'authorization': '[secure]'})"


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "Set-Cookie"])
def test_secrets_are_not_in_the_repr(name):
    assert repr(Headers({name: "s3cret"})) == f"Headers({{{name.lower()!r}: '[secure]'}})"


def test_a_value_that_is_refused_is_not_repeated():
    with pytest.raises(LocalProtocolError, match="value of header 'Authorization': expected ASCII") as caught:
        Headers({"Authorization": "s3cret ü"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
