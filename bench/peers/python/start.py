"""What the two servers share: the command line, the first line, and the event loop."""

import argparse
import asyncio
import ssl
from collections.abc import Awaitable, Callable

Start = Callable[[argparse.Namespace, str, int, ssl.SSLContext | None], Awaitable[asyncio.Server]]


def run(start: Start, description: str | None, *, deflate: bool = False) -> None:
    """Runs what `start` starts, on uvloop where the best loop is asked for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", default="127.0.0.1:9001")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--loop", choices=["plain", "best"], default="plain")
    if deflate:
        parser.add_argument("--deflate", choices=["off", "takeover"], default="off")
    options = parser.parse_args()
    if (options.cert is None) != (options.key is None):
        parser.error("--cert and --key go together")
    if options.loop == "best":
        import uvloop

        uvloop.run(serve(start, options))
    else:
        asyncio.run(serve(start, options))


async def serve(start: Start, options: argparse.Namespace) -> None:
    tls = None
    if options.cert is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    host, _, port = options.listen.rpartition(":")
    server = await start(options, host, int(port), tls)
    address, port = server.sockets[0].getsockname()
    print(f"listening on {'ws' if tls is None else 'wss'}://{address}:{port}", flush=True)
    await asyncio.get_running_loop().create_future()
