"""Cookies: whom to tell, and whom not to."""

import time

import pytest

from minihttp import URL, Cookies

PAGE = "http://www.example.org/shop/cart"


def sent(set_cookie: str, to: str, page: str = PAGE) -> str | None:
    jar = Cookies()
    jar.extract(URL(page), [set_cookie])
    return jar.header_for(URL(to))


@pytest.mark.parametrize(
    ("set_cookie", "to"),
    [
        ("a=1", "http://www.example.org/shop/"),
        ("a=1; Path=/", "http://www.example.org/"),
        ("a=1; Path=/", "https://www.example.org:8443/x"),
        ("a=1; Path=/; Domain=example.org", "http://example.org/"),
        ("a=1; Path=/; Domain=.Example.ORG", "http://any.example.org/"),
        ("a=1; path=/; unknown=attribute; HttpOnly", "http://www.example.org/"),
        ("a=1; Path=/shop; Max-Age=100", "http://www.example.org/shop"),
        ("a=1; Path=/shop; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "http://www.example.org/shop/x"),
        ("a=1; Path=/; Expires=not a date", "http://www.example.org/"),
        ("a=1; Path=/; Secure", "https://www.example.org/"),
    ],
)
def test_told(set_cookie, to):
    assert sent(set_cookie, to) == "a=1"


@pytest.mark.parametrize(
    ("set_cookie", "to"),
    [
        ("a=1", "http://www.example.org/"),  # another directory
        ("a=1; Path=/shop", "http://www.example.org/shopping"),
        ("a=1; Path=/", "http://example.org/"),
        ("a=1; Path=/", "http://sub.www.example.org/"),
        ("a=1; Path=/; Secure", "http://www.example.org/"),
        ("a=1; Path=/; Domain=other.org", "http://www.example.org/"),
        ("a=1; Path=/; Domain=other.org", "http://other.org/"),
        ("a=1; Path=/; Domain=org", "http://www.example.org/"),
        ("a=1; Path=/; Domain=ample.org", "http://www.example.org/"),
        ("a=1; Path=/; Max-Age=0", "http://www.example.org/"),
        ("a=1; Path=/; Max-Age=-1; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "http://www.example.org/"),
        ("a=1; Path=/; Expires=Wed, 21 Oct 1999 07:28:00 GMT", "http://www.example.org/"),
        ("no value", "http://www.example.org/shop/"),
        ("=1", "http://www.example.org/shop/"),
    ],
)
def test_not_told(set_cookie, to):
    assert sent(set_cookie, to) is None


def test_an_ip_address_has_nothing_under_it():
    assert sent("a=1; Path=/; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/") is None
    assert sent("a=1; Path=/", "http://127.0.0.1:8000/", "http://127.0.0.1/") == "a=1"


def test_a_later_one_replaces_an_earlier_and_a_past_one_deletes():
    jar, page = Cookies(), URL(PAGE)
    jar.extract(page, ["a=1", "a=2"])
    assert jar.header_for(page) == "a=2"
    jar.extract(page, ["a=; Max-Age=0"])
    assert len(jar) == 0


def test_longer_paths_come_first():
    jar = Cookies()
    jar.extract(URL(PAGE), ["a=root; Path=/", "a=shop; Path=/shop"])
    assert jar.header_for(URL(PAGE)) == "a=shop; a=root"


def test_what_expires_is_forgotten(monkeypatch):
    jar = Cookies()
    jar.extract(URL(PAGE), ["a=1; Max-Age=10"])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 11)
    assert jar.header_for(URL(PAGE)) is None
    assert len(jar) == 0


def test_a_jar_is_a_dict():
    jar = Cookies({"a": "1"})
    jar["b"] = "2"
    assert dict(jar) == {"a": "1", "b": "2"}
    del jar["a"]
    with pytest.raises(KeyError):
        del jar["a"]
    with pytest.raises(KeyError):
        jar["a"]


def test_cookies_without_a_host_settle_at_the_first():
    jar = Cookies({"a": "1"})
    jar.settle("first.example")
    jar.settle("second.example")
    assert jar.header_for(URL("http://first.example/")) == "a=1"
    assert jar.header_for(URL("http://second.example/")) is None
