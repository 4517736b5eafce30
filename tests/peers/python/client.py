"""The test client: the script of ../README.md through `websockets.asyncio.client`."""

import argparse
import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.metadata import version

from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

PEER = f"websockets {version('websockets')}"
DEADLINE = 60
CLOSE_DEADLINE = 10
MIB = 1024 * 1024
PATTERN = "añ€🌍"


class StepFailed(Exception):
    """A step of the script did not hold."""


def check_echo(received: str | bytes, sent: str | bytes) -> None:
    if type(received) is not type(sent):
        raise StepFailed(f"a {type(received).__name__} came back, a {type(sent).__name__} was sent")
    if len(received) != len(sent):
        raise StepFailed(f"the echo has the length {len(received)}, {len(sent)} was sent")
    if received != sent:
        raise StepFailed("the echo has other contents than were sent")


async def echo(socket: ClientConnection, *messages: str | bytes) -> None:
    for message in messages:
        await socket.send(message)
        check_echo(await socket.recv(), message)


def numbered(length: int) -> bytes:
    return bytes((31 * i) % 251 for i in range(length))


def similar(i: int) -> str:
    """The JSON text number `i`: like those before it, and longer."""
    items = (
        f'{{"id":{k},"name":"sensor {k}","value":{(7 * k * k + 13 * i) % 1000},"state":"ok"}}'
        for k in range(1 + i * i // 2)
    )
    return f"[{','.join(items)}]"


def random(*lengths: int) -> list[bytes]:
    """Binaries of these lengths, one after the other from a generator: nothing in them repeats."""
    x = 1

    def byte() -> int:
        nonlocal x
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        return x >> 16 & 0xFF

    return [bytes(byte() for _ in range(length)) for length in lengths]


async def length_boundaries(socket: ClientConnection) -> None:
    await echo(socket, *map(numbered, [125, 126, 127, 65535, 65536]))


async def fragmented_text(socket: ClientConnection) -> None:
    whole = (PATTERN * 1000).encode()
    await socket.send([whole[:2], b"", whole[2:5009], whole[5009:]], text=True)
    check_echo(await socket.recv(), whole.decode())


async def ping(socket: ClientConnection) -> None:
    pong = await socket.ping("how far?")  # resolves for a Pong with this payload alone
    await pong


async def ping_between_fragments(socket: ClientConnection) -> None:
    before = "before " * 1000
    pongs: list[Awaitable[float]] = []

    async def fragments() -> AsyncIterator[str]:
        yield before
        pongs.append(await socket.ping("between"))
        yield "after"

    await socket.send(fragments())
    for pong in pongs:
        await pong
    check_echo(await socket.recv(), before + "after")


async def burst(socket: ClientConnection) -> None:
    messages = [f"burst {i}" for i in range(100)]
    for message in messages:
        await socket.send(message)
    for message in messages:
        check_echo(await socket.recv(), message)


Step = Callable[[ClientConnection], Awaitable[None]]

# The steps between the opening and the close, in their order.
STEPS: dict[str, Step] = {
    "text": lambda socket: echo(socket, "hello"),
    "empty text": lambda socket: echo(socket, ""),
    "non-ASCII text": lambda socket: echo(socket, "Grüße, κόσμε, 世界, 🌍"),
    "binary": lambda socket: echo(socket, bytes(range(256))),
    "empty binary": lambda socket: echo(socket, b""),
    "length boundaries": length_boundaries,
    "1 MiB text": lambda socket: echo(socket, PATTERN * (MIB // 10) + "añ€"),
    "1 MiB binary": lambda socket: echo(socket, numbered(MIB)),
    "fragmented text": fragmented_text,
    "ping": ping,
    "ping between fragments": ping_between_fragments,
    "burst": burst,
    "similar texts": lambda socket: echo(socket, *map(similar, range(60))),
    "random binaries": lambda socket: echo(socket, *random(50, 500, 5000, 50_000, 100_000)),
    "empty messages": lambda socket: echo(socket, "", b"", "", similar(9)),
}


async def close(socket: ClientConnection) -> dict[str, int | str]:
    async with asyncio.timeout(CLOSE_DEADLINE):
        await socket.close(4001, "done")
    answer = socket.protocol.close_rcvd
    if answer is None:
        raise StepFailed("the connection ended without a Close frame")
    if answer.code != 4001:
        raise StepFailed(f"the close came back with the code {answer.code}")
    return {"code": answer.code, "reason": answer.reason}


def extensions(options: argparse.Namespace) -> list[ClientPerMessageDeflateFactory] | None:
    if options.deflate == "off":
        return None  # an empty list would be sent as an empty header
    no_takeover = options.deflate == "no-takeover"
    return [
        ClientPerMessageDeflateFactory(
            server_no_context_takeover=no_takeover,
            client_no_context_takeover=no_takeover,
            server_max_window_bits=options.server_bits,
            client_max_window_bits=options.client_bits or True,
        )
    ]


def open_socket(options: argparse.Namespace) -> connect:
    tls = {"ssl": ssl.create_default_context(cafile=options.ca)} if options.ca else {}
    return connect(
        options.url,
        subprotocols=options.subprotocol or None,
        max_size=16 * MIB,
        close_timeout=2 * CLOSE_DEADLINE,
        proxy=None,
        compression=None,  # no other than these
        extensions=extensions(options),
        **tls,
    )


class Script:
    """Runs the steps and knows which one it is at."""

    def __init__(self) -> None:
        self.step = "opening"

    async def run(self, options: argparse.Namespace) -> dict[str, object]:
        async with open_socket(options) as socket:
            if options.subprotocol and socket.subprotocol != options.subprotocol[0]:
                raise StepFailed(f"the subprotocol is {socket.subprotocol!r}")
            for self.step, run in STEPS.items():
                await run(socket)
            self.step = "close"
            closed = await close(socket)
        return {
            "ok": True,
            "subprotocol": socket.subprotocol,
            "extensions": ", ".join(socket.response.headers.get_all("Sec-WebSocket-Extensions")),
            "steps": ["opening", *STEPS, "close"],
            "close": closed,
        }


async def run_client(options: argparse.Namespace) -> int:
    script = Script()
    try:
        async with asyncio.timeout(DEADLINE):
            outcome = await script.run(options)
    except Exception as error:  # whatever it is, the report names it and the step
        outcome = {"ok": False, "step": script.step, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"peer": PEER, **outcome}), flush=True)
    return 0 if outcome["ok"] else 1
