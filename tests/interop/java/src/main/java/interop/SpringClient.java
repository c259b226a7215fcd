package interop;

import static interop.Report.require;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import org.springframework.security.oauth2.client.endpoint.OAuth2RefreshTokenGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientRefreshTokenTokenResponseClient;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AccessToken;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.core.OAuth2RefreshToken;
import org.springframework.security.oauth2.core.endpoint.OAuth2AccessTokenResponse;

/** spring-security-oauth2-client in one style. It has no password grant, so plain HTTP signs in. */
final class SpringClient {
    private static final int PARALLEL = 5;
    private static final Set<String> SCOPE = Set.of("read", "write");
    private static final String NO_PASSWORD = "Spring Security 7 has no password grant: sign in by your own request";
    private static final String NO_REVOCATION = "it has no revocation";

    private final RestClientRefreshTokenTokenResponseClient refreshes = new RestClientRefreshTokenTokenResponseClient();
    private final Server server;
    private final ClientRegistration client;
    private final Report report;
    /** The tokens that one check passes to the next. */
    private Tokens tokens;

    private record Tokens(OAuth2AccessToken access, OAuth2RefreshToken refresh) {}

    private SpringClient(Server server, String style, ClientRegistration client) {
        this.server = server;
        this.client = client;
        this.report = new Report("Spring Security", ClientRegistration.class.getPackage().getImplementationVersion(), "client", style);
    }

    static void run(Server server) throws Exception {
        List<SpringClient> clients = List.of(
                new SpringClient(server, "basic", registration(server, ClientAuthenticationMethod.CLIENT_SECRET_BASIC, server.clientSecret())),
                new SpringClient(server, "post", registration(server, ClientAuthenticationMethod.CLIENT_SECRET_POST, server.clientSecret())),
                new SpringClient(server, "none", registration(server, ClientAuthenticationMethod.NONE, null)));
        for (SpringClient client : clients) {
            client.runChecks();
        }
    }

    private static ClientRegistration registration(Server server, ClientAuthenticationMethod method, String secret) {
        return ClientRegistrations.fromIssuerLocation(server.issuer())
                .clientId(secret == null ? server.publicClientId() : server.clientId())
                .clientSecret(secret)
                .clientAuthenticationMethod(method)
                .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN)
                .build();
    }

    private void runChecks() throws Exception {
        report.unsupported("sign in", NO_PASSWORD);
        tokens = signIn("read write");
        Tokens aging = signIn("profile");
        report.check("refresh", () -> tokens = refresh(client, tokens, Set.of()));
        report.check("refresh again", () -> tokens = refresh(client, tokens, Set.of()));
        report.check("concurrent refresh", this::refreshInThreads);
        report.unsupported("wrong password", NO_PASSWORD);
        report.check("wrong secret", this::meetsWrongSecret);
        report.check("narrower scope", this::narrows);
        report.unsupported("revoke", NO_REVOCATION);
        report.unsupported("introspect", "only as a resource server: OpaqueTokenIntrospector");
        report.check("expired access token", () -> meetsExpiry(aging));
    }

    /** By plain HTTP. */
    private Tokens signIn(String scope) throws Exception {
        Map<String, Object> answer = server.signIn(client.getClientId(), client.getClientSecret(), scope);
        Instant now = Instant.now();
        Instant end = now.plusSeconds(JSONObjectUtils.getInt(answer, "expires_in"));
        String access = JSONObjectUtils.getString(answer, "access_token");
        return new Tokens(new OAuth2AccessToken(OAuth2AccessToken.TokenType.BEARER, access, now, end),
                new OAuth2RefreshToken(JSONObjectUtils.getString(answer, "refresh_token"), now));
    }

    private OAuth2AccessTokenResponse ask(ClientRegistration client, Tokens tokens, Set<String> scope) {
        return refreshes.getTokenResponse(new OAuth2RefreshTokenGrantRequest(client, tokens.access(), tokens.refresh(), scope));
    }

    private Tokens refresh(ClientRegistration client, Tokens tokens, Set<String> scope) {
        OAuth2AccessTokenResponse answer = ask(client, tokens, scope);
        Tokens next = new Tokens(answer.getAccessToken(), answer.getRefreshToken());
        require(!next.refresh().getTokenValue().equals(tokens.refresh().getTokenValue()), "it got the refresh token that it had");
        require(!next.access().getTokenValue().equals(tokens.access().getTokenValue()), "it got the access token that it had");
        require(next.access().getExpiresAt().isAfter(Instant.now()), "it has no lifetime");
        return next;
    }

    private void refreshInThreads() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(PARALLEL);
        try {
            Callable<Tokens> use = () -> refresh(client, tokens, Set.of());
            Set<String> successors = new HashSet<>();
            Tokens last = tokens;
            for (Future<Tokens> answer : threads.invokeAll(Collections.nCopies(PARALLEL, use))) {
                last = answer.get();
                successors.add(last.refresh().getTokenValue());
            }
            require(successors.size() == 1, "the same refresh token has several successors");
            tokens = refresh(client, last, Set.of());
        } finally {
            threads.shutdownNow();
        }
    }

    private void meetsWrongSecret() {
        boolean isPublic = client.getClientSecret() == null || client.getClientSecret().isEmpty();
        ClientRegistration.Builder stranger = ClientRegistration.withClientRegistration(client);
        ClientRegistration other = isPublic ? stranger.clientId("nobody").build() : stranger.clientSecret("wrong").build();
        try {
            ask(other, tokens, Set.of());
        } catch (OAuth2AuthorizationException refusal) {
            // It parses the error of a 400, but shows a 401 only as text.
            require(refusal.getError().toString().contains("invalid_client"), "it was refused with " + refusal.getError());
            return;
        }
        throw new IllegalStateException("it was not refused");
    }

    private void narrows() {
        Tokens narrow = refresh(client, tokens, Set.of("read"));
        require(narrow.access().getScopes().equals(Set.of("read")), "the scope is " + narrow.access().getScopes());
        tokens = refresh(client, narrow, Set.of());
        require(tokens.access().getScopes().equals(SCOPE), "the scope is " + tokens.access().getScopes());
    }

    private void meetsExpiry(Tokens old) throws Exception {
        while (userInfo(old) == 200) {
            Thread.sleep(200);
        }
        require(userInfo(old) == 401, "userinfo answers " + userInfo(old));
        require(userInfo(refresh(client, old, Set.of())) == 200, "userinfo refuses the new access token");
    }

    private int userInfo(Tokens tokens) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(server.issuer() + "/oauth/userinfo")).timeout(Duration.ofSeconds(30))
                .header("Authorization", "Bearer " + tokens.access().getTokenValue()).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }
}
