"""Echo server on picows: the listener of its README, on asyncio; the best loop is that on uvloop. Either way
picows brings its own transports, as it does by default."""

import argparse
import asyncio
import ssl

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from start import run


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type not in (WSMsgType.PING, WSMsgType.PONG):
            # Frames, not messages: a fragment goes back as one.
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


async def start(
    options: argparse.Namespace, host: str, port: int, tls: ssl.SSLContext | None
) -> asyncio.Server:
    def accept(_: WSUpgradeRequest) -> Echo:
        return Echo()

    return await ws_create_server(accept, host, port, ssl=tls, backlog=1024)


if __name__ == "__main__":
    run(start, __doc__)
