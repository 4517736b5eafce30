"""The command line of the `websockets` peer; ../README.md has the contract."""

import argparse
import asyncio
import sys

from client import run_client
from server import run_server


def parse_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peer", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)

    deflate = argparse.ArgumentParser(add_help=False)
    deflate.add_argument("--deflate", choices=["off", "no-takeover", "takeover"], default="off")
    deflate.add_argument("--server-bits", type=int)
    deflate.add_argument("--client-bits", type=int)

    server = roles.add_parser("server", help="run the echo server", parents=[deflate])
    server.add_argument("--port", type=int, default=0)
    server.add_argument("--cert")
    server.add_argument("--key")
    server.add_argument("--subprotocol", action="append", default=[])

    script = "run the test script against an echo server"
    client = roles.add_parser("client", help=script, parents=[deflate])
    client.add_argument("url")
    client.add_argument("--ca")
    client.add_argument("--subprotocol", action="append", default=[])
    return parser.parse_args()


def main() -> int:
    options = parse_command_line()
    if options.role == "server":
        return asyncio.run(run_server(options))
    return asyncio.run(run_client(options))


if __name__ == "__main__":
    sys.exit(main())
