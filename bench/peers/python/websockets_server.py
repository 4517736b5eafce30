"""Echo server on `websockets`: the loop of its own documentation; the best one is that on uvloop, which its
documentation has among its tips for performance."""

import argparse
import ssl

from start import run
from websockets.asyncio.server import Server, ServerConnection, serve


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def start(
    options: argparse.Namespace, host: str, port: int, tls: ssl.SSLContext | None
) -> Server:
    compression = None if options.deflate == "off" else "deflate"
    return await serve(echo, host, port, compression=compression, ssl=tls, backlog=1024)


if __name__ == "__main__":
    run(start, __doc__, deflate=True)
