package interop;

import static interop.Report.require;

import java.time.Clock;
import java.time.Duration;
import java.util.List;

/** Verifies access tokens with one library and its cache of the keys. */
public interface ResourceServer {

    /** What a token must have. */
    record Wanted(String issuer, String audience, String typ, Clock clock) {}

    /** What is read from a token. */
    record Claims(List<String> scope, List<String> roles) {}

    /** A token was refused. */
    final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        /** Why, as the library says it. */
        public Refused(String why) {
            super(why);
        }
    }

    /** An issuer whose tokens these are not. */
    String ANOTHER_ISSUER = "https://another.example";

    Claims verify(String token, Wanted want) throws Exception;

    /** Parts of the library's messages for a token that has expired, is for another audience, and so on. */
    record Words(String expired, String audience, String issuer, String signature, String typ) {}

    /** Prints every check. */
    static void check(Report report, Server server, ResourceServer library, Words words) throws Exception {
        Wanted want = new Wanted(server.issuer(), server.audience(), server.typ(), Clock.systemUTC());
        String token = server.accessToken();
        report.check("accepts a token", () -> {
            library.verify(token, want);
            String otherTyp = server.typ().equals("JWT") ? "at+jwt" : "JWT";
            requireRefusal(library, token, new Wanted(want.issuer(), want.audience(), otherTyp, want.clock()), words.typ());
        });
        Clock later = Clock.offset(want.clock(), Duration.ofHours(1));
        report.check("refuses an expired token", () -> requireRefusal(
                library, token, new Wanted(want.issuer(), want.audience(), want.typ(), later), words.expired()));
        report.check("refuses another audience", () -> requireRefusal(
                library, token, new Wanted(want.issuer(), "another-api", want.typ(), want.clock()), words.audience()));
        report.check("refuses another issuer", () -> requireRefusal(
                library, token, new Wanted(ANOTHER_ISSUER, want.audience(), want.typ(), want.clock()), words.issuer()));
        report.check("refuses a changed signature", () -> requireRefusal(library, changed(token), want, words.signature()));
        report.check("reads scope and roles", () -> {
            Claims read = library.verify(token, want);
            require(read.equals(new Claims(List.of("read", "write"), List.of("user"))), "it read " + read);
        });
        report.check("key rotation with a warm cache", () -> {
            server.rotateKey();
            String next = server.accessToken();
            require(!head(next).equals(head(token)), "the new token is of the old key");
            library.verify(next, want);
            library.verify(token, want);
        });
    }

    private static void requireRefusal(ResourceServer library, String token, Wanted want, String why) throws Exception {
        try {
            library.verify(token, want);
        } catch (Refused refused) {
            require(refused.getMessage().contains(why), "refused for another reason: " + refused.getMessage());
            return;
        }
        throw new IllegalStateException("it was accepted");
    }

    /** A token with another signature. */
    private static String changed(String token) {
        int at = token.lastIndexOf('.') + 1;
        char other = token.charAt(at) == 'A' ? 'B' : 'A';
        return token.substring(0, at) + other + token.substring(at + 1);
    }

    /** The header of a token, which differs between two tokens only by their keys. */
    private static String head(String token) {
        return token.substring(0, token.indexOf('.'));
    }
}
