// The options --deflate, --server-bits and --client-bits of ../README.md, as `ws` takes them.

/** `perMessageDeflate` of a server or a client. What is undefined is left to the other side. */
export function deflateOptions({ deflate, "server-bits": serverBits, "client-bits": clientBits }) {
  if (deflate === "off") return false;
  const noTakeover = deflate === "no-takeover" ? true : undefined;
  return {
    threshold: 0,
    serverNoContextTakeover: noTakeover,
    clientNoContextTakeover: noTakeover,
    serverMaxWindowBits: serverBits && Number(serverBits),
    clientMaxWindowBits: clientBits && Number(clientBits),
  };
}
