"""Echo server on `websockets`: the loop of its own documentation."""

import argparse
import asyncio

from websockets.asyncio.server import ServerConnection, serve


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def run(listen: str, compression: str | None) -> None:
    host, _, port = listen.rpartition(":")
    async with serve(echo, host, int(port), compression=compression, backlog=1024) as server:
        address, port = server.sockets[0].getsockname()
        print(f"listening on ws://{address}:{port}", flush=True)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:9001")
    parser.add_argument("--deflate", choices=["off", "takeover"], default="off")
    options = parser.parse_args()
    asyncio.run(run(options.listen, None if options.deflate == "off" else "deflate"))


if __name__ == "__main__":
    main()
