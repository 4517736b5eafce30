// The echo server: Jetty's server with its own WebSocket API.
package peer;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.http.pathmap.UriTemplatePathSpec;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.ExtensionConfig;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.server.ServerUpgradeRequest;
import org.eclipse.jetty.websocket.server.ServerUpgradeResponse;
import org.eclipse.jetty.websocket.server.ServerWebSocketContainer;
import org.eclipse.jetty.websocket.server.WebSocketUpgradeHandler;

/** Every path of the contract is a listener of its own. */
final class EchoServer {
    private EchoServer() {}

    /** Sends and waits until it is written: the receiving thread is the backpressure. */
    static void await(Consumer<Callback.Completable> send) {
        Callback.Completable.with(send).join();
    }

    /** Echoes every message as it came. */
    public static class Echo implements Session.Listener.AutoDemanding {
        Session session;

        @Override
        public void onWebSocketOpen(Session opened) {
            session = opened;
        }

        @Override
        public void onWebSocketText(String message) {
            await(sent -> session.sendText(message, sent));
        }

        @Override
        public void onWebSocketBinary(ByteBuffer payload, Callback callback) {
            await(sent -> session.sendBinary(payload, sent));
            callback.succeed();
        }

        @Override
        public void onWebSocketError(Throwable cause) {
            System.err.println(getClass().getSimpleName() + ": " + cause);
        }
    }

    public static final class CloseAtOnce extends Echo {
        @Override
        public void onWebSocketOpen(Session opened) {
            super.onWebSocketOpen(opened);
            opened.close(4002, "bye ☂", Callback.NOOP);
        }
    }

    public static final class PingFirst extends Echo {
        @Override
        public void onWebSocketOpen(Session opened) {
            super.onWebSocketOpen(opened);
            opened.sendPing(UTF_8.encode("are you there?"), Callback.NOOP);
        }

        @Override
        public void onWebSocketPong(ByteBuffer payload) {
            session.sendText("pong: " + UTF_8.decode(payload), Callback.NOOP);
        }
    }

    public static final class FragmentsFirst extends Echo {
        @Override
        public void onWebSocketOpen(Session opened) {
            super.onWebSocketOpen(opened);
            await(sent -> opened.sendPartialText("one, ", false, sent));
            await(sent -> opened.sendPartialText("zwei, ", false, sent));
            await(sent -> opened.sendPing(UTF_8.encode("between"), sent));
            await(sent -> opened.sendPartialText("☂", true, sent));
        }
    }

    public static final class Drop extends Echo {
        @Override
        public void onWebSocketOpen(Session opened) {
            opened.disconnect();
        }
    }

    private static final Map<String, Supplier<Echo>> ROUTES =
            Map.of(
                    "/", Echo::new,
                    "/close", CloseAtOnce::new,
                    "/ping", PingFirst::new,
                    "/fragments", FragmentsFirst::new,
                    "/drop", Drop::new);

    /** Answers what is no route: the refusal of the contract, and unknown paths. */
    private static final class Refusal extends Handler.Abstract {
        @Override
        public boolean handle(Request request, Response response, org.eclipse.jetty.util.Callback callback) {
            boolean refused = Request.getPathInContext(request).equals("/refuse");
            response.setStatus(refused ? HttpStatus.FORBIDDEN_403 : HttpStatus.NOT_FOUND_404);
            String body = refused ? "refused by the application" : "no such path";
            Content.Sink.write(response, true, body, callback);
            return true;
        }
    }

    /** By itself the library agrees to the client's offer, whatever it is. */
    private static void choose(ServerUpgradeRequest request, ServerUpgradeResponse response, Peer.Options options) {
        request.getSubProtocols().stream()
                .filter(options.subprotocols()::contains)
                .findFirst()
                .ifPresent(response::setAcceptedSubProtocol);
        List<ExtensionConfig> known = options.extensions();
        if (known.isEmpty()) {
            response.setExtensions(known);
        } else if (!response.getExtensions().isEmpty()) {
            known.get(0).getParameterKeys().forEach(response.getExtensions().get(0)::setParameter);
        }
    }

    private static void configure(ServerWebSocketContainer container, Peer.Options options) {
        container.setMaxTextMessageSize(Peer.MAX_MESSAGE);
        container.setMaxBinaryMessageSize(Peer.MAX_MESSAGE);
        ROUTES.forEach(
                (path, listener) ->
                        container.addMapping(
                                new UriTemplatePathSpec(path), // as a servlet path "/" would match all
                                (request, response, callback) -> {
                                    choose(request, response, options);
                                    return listener.get();
                                }));
    }

    private static ServerConnector connector(Server server, Peer.Options options) throws Exception {
        String certificate = options.named().get("--cert");
        if (certificate == null) {
            return new ServerConnector(server, 1, 1);
        }
        HttpConfiguration https = new HttpConfiguration();
        https.addCustomizer(new SecureRequestCustomizer());
        SslContextFactory.Server tls = new SslContextFactory.Server();
        tls.setKeyStore(Pem.identity(certificate, options.named().get("--key")));
        tls.setKeyStorePassword(Pem.PASSWORD);
        return new ServerConnector(
                server, new SslConnectionFactory(tls, "http/1.1"), new HttpConnectionFactory(https));
    }

    static void run(Peer.Options options) throws Exception {
        Server server = new Server();
        ServerConnector connector = connector(server, options);
        connector.setHost("127.0.0.1");
        connector.setPort(Integer.parseInt(options.named().getOrDefault("--port", "0")));
        server.addConnector(connector);

        WebSocketUpgradeHandler upgrade =
                WebSocketUpgradeHandler.from(server, container -> configure(container, options));
        upgrade.setHandler(new Refusal());
        server.setHandler(upgrade);
        server.start();
        System.out.println("listening " + connector.getLocalPort());
        server.join();
    }
}
