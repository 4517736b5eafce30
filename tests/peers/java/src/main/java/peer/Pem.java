// PEM files as Java key stores.
package peer;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/** Reads what rustls and OpenSSL read as it is. */
final class Pem {
    /** Key stores want a password, even those that live in memory alone. */
    static final String PASSWORD = "in memory";

    private Pem() {}

    /** A store with the key (PKCS #8, elliptic curve) and its certificate chain. */
    static KeyStore identity(String certificateFile, String keyFile) throws Exception {
        KeyStore store = empty();
        store.setKeyEntry("identity", privateKey(keyFile), PASSWORD.toCharArray(), certificates(certificateFile));
        return store;
    }

    /** A store that trusts the certificates of the file. */
    static KeyStore trust(String certificateFile) throws Exception {
        KeyStore store = empty();
        for (Certificate certificate : certificates(certificateFile)) {
            store.setCertificateEntry("authority " + store.size(), certificate);
        }
        return store;
    }

    private static KeyStore empty() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Certificate[] certificates(String file) throws Exception {
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(Certificate[]::new);
        }
    }

    private static PrivateKey privateKey(String file) throws Exception {
        String body = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", "");
        byte[] der = Base64.getMimeDecoder().decode(body);
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    }
}
