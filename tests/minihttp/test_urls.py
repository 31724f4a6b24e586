"""URLs: what is cut where, what is encoded, and what is refused before anything is sent."""

import pytest

from minihttp import URL, InvalidURL


@pytest.mark.parametrize(
    ("text", "raw_host", "netloc", "target"),
    [
        ("http://example.org", "example.org", "example.org", b"/"),
        ("http://EXAMPLE.org:80/", "example.org", "example.org", b"/"),
        ("https://example.org:443/?", "example.org", "example.org", b"/?"),
        ("http://example.org:8080?q", "example.org", "example.org:8080", b"/?q"),
        ("http://[2001:DB8::1]:8080/x", "2001:db8::1", "[2001:db8::1]:8080", b"/x"),
        ("http://127.0.0.1/a%2Fb", "127.0.0.1", "127.0.0.1", b"/a%2Fb"),
        ("http://bücher.example/ü?ü", "xn--bcher-kva.example", "xn--bcher-kva.example", b"/%C3%BC?%C3%BC"),
        ("http://u:p@host/#only-here", "host", "host", b"/"),
        ("http://straße.example/", "xn--strae-oqa.example", "xn--strae-oqa.example", b"/"),
        ("http://BÜCHER。Example/", "xn--bcher-kva.example", "xn--bcher-kva.example", b"/"),
        ("http://b%C3%BCcher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example", b"/"),
        ("http://_a.bücher.example/", "_a.xn--bcher-kva.example", "_a.xn--bcher-kva.example", b"/"),
        ("http://ex%61mple.org/", "example.org", "example.org", b"/"),
        ("http://example.org./", "example.org.", "example.org.", b"/"),
        ("http://web.1/", "web.1", "web.1", b"/"),
        ("http://example.org:0/", "example.org", "example.org:0", b"/"),
        ("http://[fe80::1%25eth0]:8080/", "fe80::1%eth0", "[fe80::1]:8080", b"/"),
        ("http://[fe80::1%eth0.1]/", "fe80::1%eth0.1", "[fe80::1]", b"/"),
        ("http://[fe80::1%251]/", "fe80::1%1", "[fe80::1]", b"/"),
    ],
)
def test_the_parts_that_travel(text, raw_host, netloc, target):
    url = URL(text)
    assert (url.raw_host, url.netloc, url.raw_path) == (raw_host, netloc, target)


def test_a_unicode_host_can_be_read_again():
    assert URL("http://bücher.example/").host == "bücher.example"


def test_a_host_that_is_no_idna_stays_as_it_is():
    assert URL("http://xn--\x2d\x2d.example/").host == "xn----.example"


def test_userinfo_is_decoded_for_auth_and_hidden_in_logs():
    url = URL("http://al%40ice:p%3Ass@host/")
    assert (url.username, url.password) == ("al@ice", "p:ss")
    assert "p%3Ass" not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org:65536/",
        "http://example.org:-1/",
        "http://example.org:http/",
        "http://example.org:１/",
        "http://exa mple.org/",
        "http://example.org\\@evil.example/",
        "http://[::1/",
        "http://[::zz]/",
        "http://256.1.1.1/",
        "http://1.2.3/",
        "http://127.000.0.1/",
        "http://☕.example/",  # no letter: IDNA 2008 forbids it
        "http://-ü.example/",
        "http://\u0301a.example/",  # begins with a combining mark
        "http://a\u200dü.example/",
        "http://\u2100.example/",  # mapped to a/c, which would end the host
        "http://a%2Fb/",
        "http://a%00b/",
        "http://b%FCcher.example/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://[fe80::1%25]/",
        "http://[fe80::1%25a%0d%0aX]/",
        "http://" + "ü" * 100 + ".example/",
        "http://example.org/\udcff",
        "http://<host>/",
        *(f"http://example.org/{chr(control)}" for control in [*range(0x20), 0x7F]),
        *(f"http://example.org{chr(control)}/" for control in [*range(0x20), 0x7F]),
    ],
)
def test_what_is_no_url_is_refused(text):
    with pytest.raises(InvalidURL):
        URL(text)


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("/x", "http://example.org/x"),
        ("x", "http://example.org/a/x"),
        ("?q", "http://example.org/a/b?q"),
        ("#f", "http://example.org/a/b?old#f"),
        ("//other.example/x", "http://other.example/x"),
        ("https://other.example", "https://other.example"),
    ],
)
def test_relative_links(link, leads_to):
    assert str(URL("http://example.org/a/b?old").join(link)) == leads_to


def test_equal_when_the_text_is():
    assert URL("http://EXAMPLE.org:80/") == URL("http://example.org/") == "http://example.org/"
    assert len({URL("http://a/"), URL("http://a/")}) == 1


def test_something_else_is_a_type_error():
    with pytest.raises(TypeError, match="expected str or URL"):
        URL(b"http://example.org/")


def test_one_that_is_changed_changes_no_other_of_the_same_text():
    changed = URL("http://example.org/a")
    changed.fragment = "top"
    assert str(URL("http://example.org/a")) == "http://example.org/a"
    assert str(URL(changed)) == "http://example.org/a#top"


def test_port_0_does_not_become_the_port_of_another_server():
    assert URL("http://example.org:0/").origin == ("http", "example.org", 0)


def test_a_zone_is_written_back_as_it_was():
    url = URL("http://[fe80::1%25eth0]/a")
    assert str(url) == str(url.join("/a")) == "http://[fe80::1%25eth0]/a"
    assert url.host == "fe80::1%eth0"


def test_letters_that_are_none_stay_encoded_for_the_eye():
    assert URL("http://xn--53h.example/").host == "xn--53h.example"


def test_octets_in_params_given_as_text_stay_octets():
    assert URL("http://example.org/", params="q=%E9&r=a+b").raw_path == b"/?q=%E9&r=a+b"


@pytest.mark.parametrize(
    "text",
    [
        "http://alice:s3cret@h\\x/",
        "http://alice:s3cret@[::z]/",
        "http://alice:s3cret@h:99999/",
        "http://alice:s3/cret@h/",
        "http://alice:s3cret/@h/",
        "http://alice:s3cret@h/\udcff",
        "http://alice:s3cret@☕/",
        "http://alice:s3cret@a b/",
        "http://alice:\ns3cret@h/",
    ],
)
def test_a_password_is_in_no_error(text):
    with pytest.raises(InvalidURL) as caught:
        URL(text)
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_is_in_no_repr_and_a_token_neither():
    assert repr(URL("http://alice:s3cret@h/")) == "URL('http://alice:[secure]@h/')"
    assert repr(URL("http://s3cret@h/")) == "URL('http://[secure]@h/')"
    assert str(URL("http://alice:s3cret@h/")) == "http://alice:s3cret@h/"


def test_errors_repeat_a_long_url_only_a_little():
    with pytest.raises(InvalidURL) as caught:
        URL("http://" + "<" * 60_000 + "/")
    assert len(str(caught.value)) < 500
    assert len(repr(URL("http://h/" + "x" * 60_000))) < 500
