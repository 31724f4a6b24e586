"""How much work is done between two turns of other tasks.  All of it is counted, and nothing is timed."""

import gzip
import itertools
import zlib

import pytest
import trio
import trio.testing

import minihttp
from minihttp.cookies import Cookies, cookie_date
from minihttp.server import watch
from minihttp.session import Rules
from minihttp.turns import EVENT, LINE, TURN, USUAL, Turn
from minihttp.urls import URL, without_userinfo

CHUNKS = 20_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TINY = b"1\r\nx\r\n" * CHUNKS + b"0\r\n\r\n"


@pytest.mark.slow
async def test_others_run_between_chunks_of_one_octet(start_script, answering, turns_of_others):
    url = await start_script(answering(CHUNKED + TINY))
    async with minihttp.AsyncClient() as client:
        assert await turns_of_others(client.get(url)) >= CHUNKS * EVENT / TURN


@pytest.mark.slow
async def test_others_run_between_the_pieces_of_gzip_in_gzip(start_script, answering, turns_of_others):
    packed = gzip.compress(gzip.compress(bytes(1 << 26)))  # 4096 pieces of 16 KiB, in a few hundred octets
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    url = await start_script(answering(head + packed))
    async with minihttp.AsyncClient() as client:
        assert await turns_of_others(client.get(url)) > 4000


async def test_others_run_between_empty_gzip_members(start_script, answering, turns_of_others):
    packed = gzip.compress(b"") * 50_000
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    url = await start_script(answering(head + packed))
    async with minihttp.AsyncClient() as client:
        assert await turns_of_others(client.get(url)) > len(packed) / 1100


async def test_an_empty_gzip_member_gives_no_piece(start_script, answering):
    packed = gzip.compress(b"") * 3 + gzip.compress(b"hello") + gzip.compress(b"")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    url = await start_script(answering(head + packed))
    async with minihttp.AsyncClient() as client, client.stream("GET", url) as response:
        assert [piece async for piece in response.aiter_bytes()] == [b"hello"]


async def test_others_run_between_short_lines(start_script, answering, turns_of_others):
    lines = b"\n" * 200_000
    url = await start_script(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(lines) + lines))

    async def read():
        async with minihttp.AsyncClient() as client, client.stream("GET", url) as response:
            assert [line async for line in response.aiter_lines()] == [""] * 200_000

    assert await turns_of_others(read()) > 200_000 / 50


@pytest.mark.slow
async def test_others_run_between_code_tables_without_letters(start_script, answering, turns_of_others):
    """Each block of deflate holds a table and no letter (RFC 1951 §3.2.7): zlib builds it, and nothing comes out."""
    head = "0" + "01" + "00000" + "00000" + "0111"  # another block follows; a table; of 257 and 1 codes; 18 lengths
    order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1]
    lengths = "".join("100" if symbol in (18, 1) else "000" for symbol in order)  # "1": 138 zeros or fewer; "0": a one
    block = head + lengths + "1" + "1111111" + "1" + "1101011" + "0" + "0" + "0"  # 138 and 118 zeros, 1, 1; the end
    bits = block * 8 * 10_000
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)) + zlib.compress(b"x", wbits=-15)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(packed)
    url = await start_script(answering(answer + packed))
    async with minihttp.AsyncClient() as client:
        assert await turns_of_others(client.get(url)) > len(packed) / 1024 / 3


@pytest.mark.slow
async def test_of_many_connections_one_works_at_a_time(start_script, answering, turns_of_others):
    """With 20 connections that bring tiny chunks, others have as many turns as if the chunks came one after another."""
    url = await start_script(answering(CHUNKED + TINY[-6 * 2000 - 5 :]))

    async def read_all():
        async with minihttp.AsyncClient() as client, trio.open_nursery() as readers:
            for _ in range(20):
                readers.start_soon(client.get, url)

    assert await turns_of_others(read_all()) >= 20 * 2000 * EVENT / TURN


@pytest.mark.slow
async def test_of_many_clients_one_is_worked_for_at_a_time(start_server, turns_of_others):
    async def handler(request):
        return minihttp.Response(200, content=str(len(await request.aread())))

    url = URL(await start_server(handler))
    said = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + TINY[-12_005:]

    async def post():
        async with await trio.open_tcp_stream(url.host, url.port) as stream:
            await stream.send_all(said)
            assert b"".join([data async for data in stream]).endswith(b"\r\n\r\n2000")

    async def post_all():
        async with trio.open_nursery() as clients:
            for _ in range(20):
                clients.start_soon(post)

    assert await turns_of_others(post_all()) >= 20 * 2000 * EVENT / TURN


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n%b\r\nx",
        b"HTTP/1.1 103 Early Hints\r\n%b\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        CHUNKED + b"1\r\nx\r\n0\r\n%b\r\n",
    ],
    ids=["head", "interim head", "trailers"],
)
async def test_many_lines_are_paid_for_afterwards(start_script, answering, turns_of_others, answer):
    fields = b"".join(b"a%d: \r\n" % number for number in range(1500))
    url = await start_script(answering(answer % fields))
    async with minihttp.AsyncClient() as client:
        assert await turns_of_others(client.get(url)) >= (1500 - USUAL) * LINE // TURN


@pytest.mark.parametrize("place", ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"])
async def test_lines_of_a_head_are_counted_before_they_are_parsed(start_script, read_head, place, monkeypatch):
    given = []

    class Counting(minihttp.connection.h11.Connection):
        def receive_data(self, data):
            given.append(data.count(b"\n"))
            super().receive_data(data)

    async def script(stream):
        await read_head(stream)
        await stream.send_all(place.encode() + b"a:\r\n" * 40_000 + b"\r\n")

    monkeypatch.setattr(minihttp.connection.h11, "Connection", Counting)
    with pytest.raises(minihttp.RemoteProtocolError, match="headers of more than 65536 octets"):
        await minihttp.get(await start_script(script))
    assert sum(given) < 2048 + 1024


async def test_requests_in_one_write_are_paid_for(start_server, turns_of_others):
    async def handler(request):
        return minihttp.Response(200)

    url = URL(await start_server(handler))
    get = b"GET / HTTP/1.1\r\nHost: x\r\n"

    async def talk():
        async with await trio.open_tcp_stream(url.host, url.port) as stream:
            await stream.send_all((get + b"\r\n") * 100 + get + b"Connection: close\r\n\r\n")
            assert b"".join([data async for data in stream]).count(b"200 OK") == 101

    assert await turns_of_others(talk()) >= 100 * 5


async def test_sessions_that_are_late_together_end_one_by_one(nursery, mock_clock):
    class Late:
        def be_late(self):
            ended.append(self)

    ended, rounds = [], []
    rules = Rules(None, 0, 0, 0, 10, 10)
    for _ in range(100):
        rules.waiting[Late()] = 0.0

    async def count():
        while len(ended) < 100:
            rounds.append(len(ended))
            await trio.lowlevel.checkpoint()

    nursery.start_soon(watch, rules)
    await count()
    assert max(after - before for before, after in itertools.pairwise(rounds)) <= 2


async def test_a_turn_is_cancelled_like_any_checkpoint():
    turn = Turn()
    turn.spent = 10 * TURN
    with trio.CancelScope() as scope:
        scope.cancel()
        await turn.end()
    assert scope.cancelled_caught
    await trio.testing.wait_all_tasks_blocked()
    await Turn().end()  # and it keeps no other waiting


# ── what takes quadratic time when it is done naively ───────────────────────────────────────────────────────


def test_a_text_of_slashes_is_searched_once():
    """The work would be 10^12 steps if each // were tried as the beginning of a user name."""
    assert without_userinfo("/" * 1_000_000).endswith("(1000000 characters)")
    assert without_userinfo("//a" * 300_000 + "@h").startswith("//[secure]@h")


def test_a_path_of_dots_is_walked_once():
    assert URL("http://h/" + "a/" * 100_000 + "../" * 100_000).path == "/"


def test_a_host_has_at_most_254_characters():
    assert len(URL(f"http://{'a.' * 125}com./").host) == 254
    with pytest.raises(minihttp.InvalidURL, match="DNS allows names of 254 characters"):
        URL(f"http://{'a.' * 126}com/")


async def test_a_location_has_at_most_16_kib():
    async def redirect(request):
        size = request.url.query.decode()
        return minihttp.Response(302, headers={"Location": f"?{size}".ljust(int(size), "#")})

    async with minihttp.AsyncClient(transport=minihttp.MockTransport(redirect), follow_redirects=True) as client:
        with pytest.raises(minihttp.TooManyRedirects):
            await client.get("http://h/?16384")
        with pytest.raises(minihttp.RemoteProtocolError, match="it has 16385 octets, and at most 16384 are followed"):
            await client.get("http://h/?16385")


def test_a_cookie_has_at_most_30_attributes():
    jar = Cookies()
    jar.extract(URL("http://h/"), ["a=1" + "; x" * 30, "b=1" + "; x" * 31, "c=1" + ";" * 60_000])
    assert list(jar) == ["a"]


def test_a_date_is_looked_for_in_60_characters():
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert cookie_date("x " * 15 + date) == 784111777
    assert cookie_date("x " * 30 + date) is None


@pytest.mark.parametrize("charset", ["punycode", "utf-7", "unicode_escape", "idna", "undefined", "hex", "x" * 41])
def test_a_charset_is_one_of_the_web(charset):
    """Python's decoders of punycode and of utf-7 in pieces take quadratic time."""
    response = minihttp.Response(200, headers={"Content-Type": f"text/plain; charset={charset}"}, content=b"+AGE-")
    assert (response.encoding, response.text) == ("utf-8", "+AGE-")


def test_parameters_of_a_content_type_are_read_once():
    content_type = "a/b" + '";' * 500_000 + ";charset=latin-1"
    response = minihttp.Response(200, headers={"Content-Type": content_type}, content=b"\xfc")
    assert response.text == "ü"


async def test_the_body_of_a_redirect_unpacks_to_1_mib_by_itself(start_server):
    async def handler(request):
        if request.url.path == "/end":
            return minihttp.Response(200)
        body = gzip.compress(bytes((1 << 20) + (request.url.path == "/large")))
        return minihttp.Response(302, headers={"Location": "/end", "Content-Encoding": "gzip"}, content=body)

    async with minihttp.AsyncClient(base_url=await start_server(handler), follow_redirects=True) as client:
        (redirect,) = (await client.get("/small")).history
        assert redirect.content == bytes(1 << 20)
        (redirect,) = (await client.get("/large")).history
        with pytest.raises(minihttp.DecodingError, match="more than max_content_size=1048576"):
            _ = redirect.content
