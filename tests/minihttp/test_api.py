"""Calls without a client."""

import pytest

import minihttp


async def echo(request):
    return minihttp.Response(200, content=f"{request.method} {(await request.aread()).decode()}".strip())


@pytest.mark.parametrize("name", ["get", "options", "post", "put", "patch", "delete"])
async def test_each_method_has_its_function(start_server, name):
    response = await getattr(minihttp, name)(await start_server(echo), content="x")
    assert response.text == f"{name.upper()} x"


async def test_head_and_request(start_server):
    url = await start_server(echo)
    assert (await minihttp.head(url)).headers["content-length"] == "4"
    assert (await minihttp.request("FETCH", url)).text == "FETCH"


async def test_stream(start_server):
    async with minihttp.stream("GET", await start_server(echo)) as response:
        assert [piece async for piece in response.aiter_text()] == ["GET"]
