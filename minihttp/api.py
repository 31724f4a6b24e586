"""One call without a client: `await minihttp.get(url)`.

Each call opens a connection and closes it again; for more than one request use an `AsyncClient`, which keeps
it.  The functions take the keywords of the client's methods, and `verify` and `uds` of the client itself.

Below this module: `client`.  Above it: nothing.  Read next: `server`.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from .client import AsyncClient, RequestOptions
from .response import Response
from .urls import URL


class OneShotOptions(RequestOptions, total=False):
    verify: bool | ssl.SSLContext
    uds: str | None


@asynccontextmanager
async def stream(method: str, url: URL | str, **options: Unpack[OneShotOptions]) -> AsyncIterator[Response]:
    """The response with its body still to come."""
    verify, uds = options.pop("verify", True), options.pop("uds", None)
    async with (
        AsyncClient(verify=verify, uds=uds) as client,
        client.stream(method, url, **options) as response,  # type: ignore[misc]
    ):
        yield response


async def request(method: str, url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    """The response with its body read."""
    async with stream(method, url, **options) as response:
        await response.aread()
    return response


async def get(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("GET", url, **options)


async def head(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("HEAD", url, **options)


async def options(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("OPTIONS", url, **options)


async def post(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("POST", url, **options)


async def put(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("PUT", url, **options)


async def patch(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("PATCH", url, **options)


async def delete(url: URL | str, **options: Unpack[OneShotOptions]) -> Response:
    return await request("DELETE", url, **options)
