package app;

import io.quarkus.oidc.client.OidcClientException;
import io.quarkus.oidc.client.OidcClients;
import io.quarkus.oidc.client.Tokens;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.smallrye.jwt.auth.principal.JWTParser;
import io.vertx.core.json.JsonObject;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.List;
import org.eclipse.microprofile.jwt.JsonWebToken;

/** quarkus-oidc-client as a client that acts for itself: {@code VERSION}. Its clients are in application.properties. */
@QuarkusMain
public class Machine implements QuarkusApplication {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @Inject
    OidcClients clients;

    @Inject
    JWTParser parser;

    /** A check, which fails by an exception. */
    private interface Check {
        void run() throws Exception;
    }

    @Override
    public int run(String... arguments) {
        for (String style : List.of("basic", "post")) {
            JsonObject line = new JsonObject().put("library", "Quarkus OIDC Client").put("version", arguments[0])
                    .put("as", "machine client").put("style", style);
            check(line, "token of its own", () -> getsToken(style));
            check(line, "same token again", () -> getsSameToken(style));
            check(line, "claims of the token", () -> showsClaims(style));
            check(line, "wrong secret", () -> meetsWrongSecret(style));
        }
        return 0;
    }

    private static void check(JsonObject library, String name, Check check) {
        JsonObject line = library.copy().put("check", name);
        try {
            check.run();
            line.put("result", "passed");
        } catch (Exception failure) {
            failure.printStackTrace();
            line.put("result", "failed").put("note", failure.toString());
        }
        System.out.println(line.encode());
    }

    private static void require(boolean so, String otherwise) {
        if (!so) {
            throw new IllegalStateException(otherwise);
        }
    }

    /** Asks the server each time: what is kept is kept by the filters that are built upon it. */
    private Tokens tokens(String client) {
        return clients.getClient(client).getTokens().await().atMost(PATIENCE);
    }

    private void getsToken(String style) {
        Tokens tokens = tokens(style);
        require("Bearer".equals(tokens.get("token_type")), "token type " + tokens.get("token_type"));
        require("read".equals(tokens.get("scope")), "the scope is " + tokens.get("scope"));
        require(tokens.getAccessTokenExpiresAt() != null, "it has no lifetime");
        require(tokens.getRefreshToken() == null, "there is a refresh token");
    }

    private void getsSameToken(String style) {
        require(tokens(style).getAccessToken().equals(tokens(style).getAccessToken()), "it got another token");
    }

    /** SmallRye JWT is the resource server. */
    private void showsClaims(String style) throws Exception {
        JsonWebToken token = parser.parse(tokens(style).getAccessToken());
        String client = System.getenv("HEIRLOOM_CLIENT_ID");
        require(client.equals(token.getSubject()), "sub is " + token.getSubject());
        require(client.equals(token.getClaim("client_id")), "client_id is " + token.getClaim("client_id"));
        require("read".equals(token.getClaim("scope")), "the scope is " + token.getClaim("scope"));
        require(!token.getClaimNames().contains("roles"), "it has roles");
    }

    private void meetsWrongSecret(String style) {
        try {
            tokens(style + "-stranger");
        } catch (OidcClientException refusal) {
            require(refusal.getMessage().contains("invalid_client"), "it was refused with " + refusal.getMessage());
            return;
        }
        throw new IllegalStateException("it was not refused");
    }
}
