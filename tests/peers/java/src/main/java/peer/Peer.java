// The command line of the Jetty peer; ../../../../../README.md has the contract.
package peer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.util.Jetty;
import org.eclipse.jetty.websocket.api.ExtensionConfig;

/** Reads the command line and starts the server or the client. */
public final class Peer {
    static final String NAME = "Jetty " + Jetty.VERSION;

    /** The largest message either role takes, in bytes. */
    static final long MAX_MESSAGE = 16 << 20;

    private static final String DEFLATE = "permessage-deflate";

    private static final String USAGE =
            """
            usage: peer server [--port N] [--cert FILE --key FILE] [--subprotocol P]... [DEFLATE]
                   peer client URL [--ca FILE] [--subprotocol P]... [DEFLATE]
            DEFLATE: --deflate off|no-takeover|takeover; the library has no window bits""";

    private Peer() {}

    /** The options of either role; those that were not given are absent. */
    record Options(List<String> positional, Map<String, String> named, List<String> subprotocols) {
        static Options parse(String[] arguments) {
            Options options = new Options(new ArrayList<>(), new HashMap<>(), new ArrayList<>());
            for (int i = 0; i < arguments.length; i++) {
                if (!arguments[i].startsWith("--")) {
                    options.positional.add(arguments[i]);
                } else if (i + 1 == arguments.length) {
                    throw usageError();
                } else if (arguments[i].equals("--subprotocol")) {
                    options.subprotocols.add(arguments[++i]);
                } else {
                    options.named.put(arguments[i], arguments[++i]);
                }
            }
            return options;
        }

        /** What a client offers, and a server answers to whoever offers it. */
        List<ExtensionConfig> extensions() {
            return switch (named.getOrDefault("--deflate", "off")) {
                case "off" -> List.of();
                case "no-takeover" -> List.of(
                        ExtensionConfig.parse(DEFLATE + "; server_no_context_takeover; client_no_context_takeover"));
                case "takeover" -> List.of(ExtensionConfig.parse(DEFLATE));
                default -> throw usageError();
            };
        }
    }

    private static RuntimeException usageError() {
        System.err.println(USAGE);
        System.exit(2);
        return new IllegalStateException("exit returned");
    }

    public static void main(String[] arguments) throws Exception {
        Options options = Options.parse(arguments);
        List<String> positional = options.positional();
        if (positional.equals(List.of("server"))) {
            EchoServer.run(options);
        } else if (positional.size() == 2 && positional.get(0).equals("client")) {
            System.exit(TestClient.run(positional.get(1), options));
        } else {
            throw usageError();
        }
    }
}
