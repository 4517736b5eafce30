// The echo server: `ws` on Node's own HTTP or HTTPS server.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { WebSocketServer } from "ws";
import { deflateOptions } from "./deflate.js";

const echo = (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
};

const routes = {
  "/": echo,
  "/close": (socket) => socket.close(4002, "bye ☂"),
  "/ping": (socket) => {
    socket.once("pong", (payload) => {
      socket.send(`pong: ${payload}`);
      echo(socket);
    });
    socket.ping("are you there?");
  },
  "/fragments": (socket) => {
    socket.send("one, ", { fin: false });
    socket.send("zwei, ", { fin: false });
    socket.ping("between");
    socket.send("☂", { fin: true });
    echo(socket);
  },
  "/drop": (socket) => socket.terminate(),
};

function refuse(rawSocket, status, body) {
  rawSocket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export function runServer(options) {
  const { port, cert, key, subprotocol } = options;
  const listener = cert
    ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
    : http.createServer();
  const acceptor = new WebSocketServer({
    noServer: true,
    perMessageDeflate: deflateOptions(options),
    maxPayload: 16 * 1024 * 1024,
    handleProtocols: (offered) => [...offered].find((name) => subprotocol.includes(name)) ?? false,
  });

  listener.on("upgrade", (request, rawSocket, head) => {
    const path = request.url.split("?")[0];
    if (path === "/refuse") {
      refuse(rawSocket, "403 Forbidden", "refused by the application");
    } else if (path in routes) {
      acceptor.handleUpgrade(request, rawSocket, head, (socket) => {
        socket.on("error", (error) => process.stderr.write(`${path}: ${error.message}\n`));
        routes[path](socket);
      });
    } else {
      refuse(rawSocket, "404 Not Found", "no such path");
    }
  });
  listener.listen(Number(port), "127.0.0.1", () => {
    process.stdout.write(`listening ${listener.address().port}\n`);
  });
}
