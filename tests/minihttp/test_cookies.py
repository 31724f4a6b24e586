"""Cookies: whom to tell, and whom not to."""

import time

import pytest

from minihttp import URL, Cookies, cookies
from minihttp.cookies import cookie_date

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
        ("a=1; Path=/; Domain=www.example.org", "http://www.example.org/"),
        ("a=1; Path=/; Domain=.WWW.Example.ORG", "http://any.www.example.org/"),
        ("a=1; path=/; unknown=attribute; HttpOnly", "http://www.example.org/"),
        ("a=1; Path=/shop; Max-Age=100", "http://www.example.org/shop"),
        ("a=1; Path=/shop; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "http://www.example.org/shop/x"),
        ("a=1; Path=/; Expires=not a date", "http://www.example.org/"),
        ("a=1; Path=/; Secure", "https://www.example.org/"),
    ],
)
def test_the_cookie_is_sent(set_cookie, to):
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
        ("a=1; Path=/; Domain=org.", "http://www.example.org/"),
        ("__Secure-a=1; Path=/", "https://www.example.org/"),
        ("__Host-a=1; Path=/; Secure", "https://www.example.org/"),  # not set over https
        ("a=1\0; Path=/", "http://www.example.org/"),
        ("a=" + "1" * 4096 + "; Path=/", "http://www.example.org/"),
        ("a=1; Path=/; Domain=ample.org", "http://www.example.org/"),
        ("a=1; Path=/; Max-Age=0", "http://www.example.org/"),
        ("a=1; Path=/; Max-Age=-1; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "http://www.example.org/"),
        ("a=1; Path=/; Expires=Wed, 21 Oct 1999 07:28:00 GMT", "http://www.example.org/"),
        ("no value", "http://www.example.org/shop/"),
        ("=1", "http://www.example.org/shop/"),
    ],
)
def test_the_cookie_is_not_sent(set_cookie, to):
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


# ── public suffixes ─────────────────────────────────────────────────────────────────────────────────────────

STRANGERS = [
    ("http://evil.co.uk/", "co.uk", "http://bank.co.uk/"),
    ("http://evil.github.io/", "github.io", "http://good.github.io/"),
    ("http://evil.com/", "com", "http://good.com/"),
    ("http://evil.co.uk./", "co.uk.", "http://bank.co.uk./"),
    ("http://xn--evil.xn--55qx5d.cn/", "xn--55qx5d.cn", "http://good.xn--55qx5d.cn/"),
]


@pytest.fixture(params=["with the list", "without it"])
def suffixes(request, monkeypatch):
    if request.param == "without it":
        monkeypatch.setattr(cookies, "_public_suffixes", lambda: None)
    else:
        pytest.importorskip("publicsuffixlist")
    return request.param


@pytest.mark.usefixtures("suffixes")
@pytest.mark.parametrize(("evil", "domain", "good"), STRANGERS)
def test_strangers_under_one_suffix_share_no_cookies(evil, domain, good):
    assert sent(f"session=fixed; Domain={domain}", good, evil) is None


def test_with_the_list_a_domain_is_shared_by_what_is_under_it():
    pytest.importorskip("publicsuffixlist")
    for host in ("example.org", "any.example.org", "www.example.org"):
        assert sent("a=1; Path=/; Domain=example.org", f"http://{host}/") == "a=1"
    assert sent("a=1; Domain=co.uk", "http://evil.co.uk/", "http://evil.co.uk/") is None


def test_without_the_list_only_the_host_itself_gets_cookies(monkeypatch):
    monkeypatch.setattr(cookies, "_public_suffixes", lambda: None)
    assert sent("a=1; Path=/; Domain=example.org", "http://www.example.org/") == "a=1"
    assert sent("a=1; Path=/; Domain=example.org", "http://example.org/") is None


@pytest.mark.usefixtures("suffixes")
def test_localhost_and_addresses_speak_for_themselves():
    for host in ("localhost", "127.0.0.1"):
        assert sent(f"a=1; Domain={host}", f"http://{host}/", f"http://{host}/") == "a=1"
    assert sent("a=1; Domain=localhost", "http://sub.localhost/", "http://localhost/") is None


def test_a_name_with_a_promise_is_kept_if_it_is_true():
    page = "https://www.example.org/"
    assert sent("__Host-a=1; Path=/; Secure", page, page) == "__Host-a=1"
    assert sent("__Host-a=1; Path=/; Secure; Domain=www.example.org", page, page) is None
    assert sent("__Secure-a=1; Path=/; Secure; Domain=www.example.org", page, page) == "__Secure-a=1"


# ── how much is kept ────────────────────────────────────────────────────────────────────────────────────────


def filled(jar: Cookies, page: str, count: int, value: str = "x", rest: str = "") -> None:
    for number in range(count):
        jar.extract(URL(page), [f"c{number}={value}; Path=/{rest}"])


def held(jar: Cookies) -> int:
    return sum(len(group) for group in jar._domains.values())


def test_a_jar_keeps_50_cookies_of_a_domain():
    jar = Cookies()
    filled(jar, PAGE, 1000)
    assert held(jar) == 50
    assert jar.header_for(URL(PAGE)).startswith("c950=x; ")


def test_a_response_sets_50_cookies():
    jar = Cookies()
    jar.extract(URL(PAGE), [f"c{number}=1; Path=/{number}" for number in range(60)])
    assert (held(jar), "c49" in jar, "c50" in jar) == (50, True, False)


def test_the_host_with_the_most_cookies_in_a_domain_loses_one():
    pytest.importorskip("publicsuffixlist")
    jar = Cookies()
    jar.extract(URL("http://shop.example.org/"), ["session=1; Path=/; Domain=example.org"])
    filled(jar, "http://evil.example.org/", 1000, rest="; Domain=example.org")
    assert "session=1" in jar.header_for(URL("http://shop.example.org/"))


def test_a_jar_keeps_3000_cookies_of_the_domains_last_used():
    jar = Cookies({"own": "1"})
    jar.settle("host0.example")
    for number in range(100):
        filled(jar, f"http://host{number}.example/", 50)
    assert held(jar) <= 3000
    assert jar.header_for(URL("http://host0.example/")) == "own=1"  # what the program set stays
    assert jar.header_for(URL("http://host99.example/")).count("=") == 50


def test_a_header_has_8190_octets_and_first_the_hosts_own():
    pytest.importorskip("publicsuffixlist")
    jar = Cookies()
    filled(jar, "http://evil.example.org/", 40, value="x" * 3900, rest="long/path; Domain=example.org")
    jar.extract(URL("http://shop.example.org/"), ["session=1; Path=/"])
    jar.set("own", "1", domain="shop.example.org")
    header = jar.header_for(URL("http://shop.example.org/long/path"))
    assert len(header) <= 8190
    assert header.endswith("; own=1; session=1")
    assert header.count("x" * 3900) == 2


def test_what_the_program_sets_is_sent_however_long():
    jar = Cookies({"a": "x" * 20_000})
    jar.settle("example.org")
    assert len(jar.header_for(URL("http://example.org/"))) == 20_002


# ── octets and dates ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("octets", [b"n=caf\xe9", b"n=caf\xc3\xa9", b"n=\xc3\xa0", b"\xe9=\xa0x\x85", b'n="a b"'])
def test_a_cookie_goes_back_as_the_octets_that_came(octets):
    jar = Cookies()
    jar.extract(URL(PAGE), [octets + b" ; Path=/"])
    assert jar.octets_for(URL(PAGE)) == octets


def test_a_value_is_in_no_repr():
    jar = Cookies()
    jar.extract(URL(PAGE), ["a=s3cret; Path=/"])
    assert "s3cret" not in repr(jar) + repr(list(jar._all()))


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 6 Nov 1994 8:49:37 +0100",  # by RFC 6265 §5.1.1, zones say nothing
        "Sun Nov 06 1994 08:49:37 GMT+0000 (UTC)",
        "1994 6 November 08:49:37",
    ],
)
def test_a_date_is_utc_however_it_is_written(text):
    assert cookie_date(text) == 784111777


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "Sun, 06 Nov 1994",
        "08:49:37",
        "Mon, 31 Feb 2033 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1600 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
    ],
)
def test_what_is_no_date_is_ignored(text):
    assert cookie_date(text) is None
