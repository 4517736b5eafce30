// The test client: the script of ../../../../../README.md through Jetty's client.
package peer;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.transport.HttpClientTransportOverHTTP;
import org.eclipse.jetty.io.ClientConnector;
import org.eclipse.jetty.util.BufferUtil;
import org.eclipse.jetty.util.ajax.JSON;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.ExtensionConfig;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.client.ClientUpgradeRequest;
import org.eclipse.jetty.websocket.client.WebSocketClient;

/** Runs the steps of the contract in their order and reports in one line. */
final class TestClient {
    private static final int DEADLINE_SECONDS = 60;
    private static final int CLOSE_DEADLINE_SECONDS = 10;
    private static final int MIB = 1 << 20;
    private static final String PATTERN = "añ€🌍";

    private final BlockingQueue<Item> inbox = new LinkedBlockingQueue<>();
    private Session session;
    private volatile String step = "opening";

    /** What arrived. */
    private sealed interface Item {}

    private record Text(String text) implements Item {}

    private record Binary(ByteBuffer bytes) implements Item {}

    private record Pong(String payload) implements Item {}

    private record Closed(int code, String reason) implements Item {}

    private record Failed(Throwable cause) implements Item {}

    private static final class StepFailed extends RuntimeException {
        private static final long serialVersionUID = 1;

        StepFailed(String message) {
            super(message);
        }
    }

    /** Puts all that arrives into the inbox. */
    public final class Listener implements Session.Listener.AutoDemanding {
        @Override
        public void onWebSocketText(String message) {
            inbox.add(new Text(message));
        }

        @Override
        public void onWebSocketBinary(ByteBuffer payload, Callback callback) {
            inbox.add(new Binary(BufferUtil.copy(payload))); // the library's buffer is reused
            callback.succeed();
        }

        @Override
        public void onWebSocketPong(ByteBuffer payload) {
            inbox.add(new Pong(UTF_8.decode(payload).toString()));
        }

        @Override
        public void onWebSocketClose(int code, String reason, Callback callback) {
            inbox.add(new Closed(code, reason == null ? "" : reason));
            callback.succeed();
        }

        @Override
        public void onWebSocketError(Throwable cause) {
            inbox.add(new Failed(cause));
        }
    }

    private void send(Consumer<Callback.Completable> operation) {
        Callback.Completable.with(operation).join();
    }

    private void expect(Item wanted) throws InterruptedException {
        Item got = inbox.take();
        if (!got.equals(wanted)) {
            throw new StepFailed(brief(got) + " came back, " + brief(wanted) + " was expected");
        }
    }

    private static String brief(Item item) {
        if (item instanceof Text text) return "a text of " + text.text.length() + " UTF-16 units";
        if (item instanceof Binary binary) return "a binary message of " + binary.bytes.remaining() + " bytes";
        return item.toString();
    }

    private void text(String text) throws InterruptedException {
        send(sent -> session.sendText(text, sent));
        expect(new Text(text));
    }

    private void binary(byte[] bytes) throws InterruptedException {
        send(sent -> session.sendBinary(ByteBuffer.wrap(bytes), sent));
        expect(new Binary(ByteBuffer.wrap(bytes)));
    }

    private static byte[] numbered(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) bytes[i] = (byte) (31 * i % 251);
        return bytes;
    }

    private void binaryValues() throws InterruptedException {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
        binary(bytes);
    }

    private void lengthBoundaries() throws InterruptedException {
        for (int length : new int[] {125, 126, 127, 65535, 65536}) binary(numbered(length));
    }

    /** The library takes text fragments as strings, so it cannot split a character. */
    private void fragmentedText() throws InterruptedException {
        String whole = PATTERN.repeat(1000);
        send(sent -> session.sendPartialText(whole.substring(0, 1), false, sent));
        send(sent -> session.sendPartialText("", false, sent));
        send(sent -> session.sendPartialText(whole.substring(1, 2503), false, sent));
        send(sent -> session.sendPartialText(whole.substring(2503), true, sent));
        expect(new Text(whole));
    }

    private void ping() throws InterruptedException {
        send(sent -> session.sendPing(UTF_8.encode("how far?"), sent));
        expect(new Pong("how far?"));
    }

    private void pingBetweenFragments() throws InterruptedException {
        String before = "before ".repeat(1000);
        send(sent -> session.sendPartialText(before, false, sent));
        send(sent -> session.sendPing(UTF_8.encode("between"), sent));
        send(sent -> session.sendPartialText("after", true, sent));
        expect(new Pong("between"));
        expect(new Text(before + "after"));
    }

    private void burst() throws InterruptedException {
        for (int i = 0; i < 100; i++) session.sendText("burst " + i, Callback.NOOP);
        for (int i = 0; i < 100; i++) expect(new Text("burst " + i));
    }

    /** The JSON text number i: like those before it, and longer. */
    private static String similar(int i) {
        List<String> items = new ArrayList<>();
        for (int id = 0; id < 1 + i * i / 2; id++) {
            int value = (7 * id * id + 13 * i) % 1000;
            items.add("{\"id\":%d,\"name\":\"sensor %d\",\"value\":%d,\"state\":\"ok\"}".formatted(id, id, value));
        }
        return "[" + String.join(",", items) + "]";
    }

    private void similarTexts() throws InterruptedException {
        for (int i = 0; i < 60; i++) text(similar(i));
    }

    /** Sends bytes from one generator, so that nothing repeats. */
    private void randomBinaries() throws InterruptedException {
        int x = 1;
        for (int length : new int[] {50, 500, 5000, 50_000, 100_000}) {
            byte[] bytes = new byte[length];
            for (int i = 0; i < length; i++) {
                x = (x * 1103515245 + 12345) & 0x7fffffff;
                bytes[i] = (byte) (x >> 16);
            }
            binary(bytes);
        }
    }

    private void emptyMessages() throws InterruptedException {
        text("");
        binary(new byte[0]);
        text("");
        text(similar(9));
    }

    private interface Step {
        void run() throws InterruptedException;
    }

    /** The steps between the opening and the close, in their order. */
    private Map<String, Step> steps() {
        Map<String, Step> steps = new LinkedHashMap<>();
        steps.put("text", () -> text("hello"));
        steps.put("empty text", () -> text(""));
        steps.put("non-ASCII text", () -> text("Grüße, κόσμε, 世界, 🌍"));
        steps.put("binary", this::binaryValues);
        steps.put("empty binary", () -> binary(new byte[0]));
        steps.put("length boundaries", this::lengthBoundaries);
        steps.put("1 MiB text", () -> text(PATTERN.repeat(MIB / 10) + "añ€"));
        steps.put("1 MiB binary", () -> binary(numbered(MIB)));
        steps.put("fragmented text", this::fragmentedText);
        steps.put("ping", this::ping);
        steps.put("ping between fragments", this::pingBetweenFragments);
        steps.put("burst", this::burst);
        steps.put("similar texts", this::similarTexts);
        steps.put("random binaries", this::randomBinaries);
        steps.put("empty messages", this::emptyMessages);
        return steps;
    }

    private Closed close() throws InterruptedException {
        session.close(4001, "done", Callback.NOOP);
        Item got = inbox.poll(CLOSE_DEADLINE_SECONDS, TimeUnit.SECONDS);
        if (!(got instanceof Closed closed)) throw new StepFailed("no Close came back, but: " + got);
        if (closed.code != 4001) throw new StepFailed("the close came back with the code " + closed.code);
        return closed;
    }

    private static WebSocketClient client(String ca) throws Exception {
        ClientConnector connector = new ClientConnector();
        if (ca != null) {
            SslContextFactory.Client tls = new SslContextFactory.Client();
            tls.setTrustStore(Pem.trust(ca));
            connector.setSslContextFactory(tls);
        }
        WebSocketClient client = new WebSocketClient(new HttpClient(new HttpClientTransportOverHTTP(connector)));
        client.setMaxTextMessageSize(Peer.MAX_MESSAGE);
        client.setMaxBinaryMessageSize(Peer.MAX_MESSAGE);
        client.start();
        return client;
    }

    private Map<String, Object> script(WebSocketClient client, String url, Peer.Options options) throws Exception {
        List<String> subprotocols = options.subprotocols();
        ClientUpgradeRequest request = new ClientUpgradeRequest(URI.create(url));
        request.setSubProtocols(subprotocols);
        request.setExtensions(options.extensions());
        session = client.connect(new Listener(), request).get();
        String chosen = session.getUpgradeResponse().getAcceptedSubProtocol();
        if (!subprotocols.isEmpty() && !subprotocols.get(0).equals(chosen)) {
            throw new StepFailed("the subprotocol is " + chosen);
        }
        List<String> done = new ArrayList<>(List.of(step));
        for (Map.Entry<String, Step> next : steps().entrySet()) {
            step = next.getKey();
            next.getValue().run();
            done.add(step);
        }
        step = "close";
        done.add(step);
        Closed closed = close();

        Map<String, Object> report = new LinkedHashMap<>();
        report.put("peer", Peer.NAME);
        report.put("ok", true);
        report.put("subprotocol", chosen);
        List<ExtensionConfig> extensions = session.getUpgradeResponse().getExtensions();
        report.put(
                "extensions",
                String.join(", ", extensions.stream().map(ExtensionConfig::getParameterizedName).toList()));
        report.put("steps", done);
        Map<String, Object> close = new LinkedHashMap<>();
        close.put("code", closed.code);
        close.put("reason", closed.reason);
        report.put("close", close);
        return report;
    }

    private Map<String, Object> failure(Throwable error) {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("peer", Peer.NAME);
        report.put("ok", false);
        report.put("step", step);
        report.put("error", error.toString());
        return report;
    }

    static int run(String url, Peer.Options options) throws Exception {
        TestClient test = new TestClient();
        Map<String, Object> report;
        WebSocketClient client = client(options.named().get("--ca"));
        try {
            CompletableFuture<Map<String, Object>> script =
                    CompletableFuture.supplyAsync(
                            () -> {
                                try {
                                    return test.script(client, url, options);
                                } catch (Exception error) {
                                    return test.failure(error);
                                }
                            });
            try {
                report = script.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
            } catch (TimeoutException error) {
                report = test.failure(new StepFailed("not done after " + DEADLINE_SECONDS + " s"));
            }
        } finally {
            client.stop();
        }
        System.out.println(new JSON().toJSON(report));
        return report.get("ok").equals(true) ? 0 : 1;
    }
}
