"""The echo server: `websockets.asyncio.server`."""

import argparse
import asyncio
import http
import ssl
import sys
from collections.abc import AsyncIterator

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

MAX_MESSAGE = 16 * 1024 * 1024


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def close_at_once(socket: ServerConnection) -> None:
    await socket.close(4002, "bye ☂")


async def ping_first(socket: ServerConnection) -> None:
    pong = await socket.ping("are you there?")
    await pong
    await socket.send("pong: are you there?")
    await echo(socket)


async def fragments_first(socket: ServerConnection) -> None:
    async def fragments() -> AsyncIterator[str]:
        yield "one, "
        yield "zwei, "
        await socket.ping("between")
        yield "☂"

    await socket.send(fragments())
    await echo(socket)


async def drop(socket: ServerConnection) -> None:
    socket.transport.abort()


ROUTES = {
    "/": echo,
    "/close": close_at_once,
    "/ping": ping_first,
    "/fragments": fragments_first,
    "/drop": drop,
}


def path_of(request: Request) -> str:
    return request.path.partition("?")[0]


async def handle(socket: ServerConnection) -> None:
    path = path_of(socket.request)
    try:
        await ROUTES[path](socket)
    except ConnectionClosed as closed:  # any code but 1000 and 1001; for the failure messages of tests
        print(f"{path}: {closed}", file=sys.stderr)


def admit(socket: ServerConnection, request: Request) -> Response | None:
    path = path_of(request)
    if path == "/refuse":
        return socket.respond(http.HTTPStatus.FORBIDDEN, "refused by the application")
    if path not in ROUTES:
        return socket.respond(http.HTTPStatus.NOT_FOUND, "no such path")
    return None


def extensions(options: argparse.Namespace) -> list[ServerPerMessageDeflateFactory] | None:
    if options.deflate == "off":
        return None
    no_takeover = options.deflate == "no-takeover"
    return [
        ServerPerMessageDeflateFactory(
            server_no_context_takeover=no_takeover,
            client_no_context_takeover=no_takeover,
            server_max_window_bits=options.server_bits,
            client_max_window_bits=options.client_bits,
        )
    ]


async def run_server(options: argparse.Namespace) -> int:
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)

    def select_subprotocol(_: ServerConnection, offered: list[str]) -> str | None:
        return next((name for name in offered if name in options.subprotocol), None)

    async with serve(
        handle,
        "127.0.0.1",
        options.port,
        ssl=context,
        process_request=admit,
        select_subprotocol=select_subprotocol,
        compression=None,  # no other than these
        extensions=extensions(options),
        max_size=MAX_MESSAGE,
    ) as server:
        print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().create_future()
    return 0
