package interop;

import static interop.Report.require;

import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.GeneralException;
import com.nimbusds.oauth2.sdk.OAuth2Error;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.Request;
import com.nimbusds.oauth2.sdk.ResourceOwnerPasswordCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionSuccessResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessTokenType;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.BearerTokenError;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.oauth2.sdk.token.Token;
import com.nimbusds.oauth2.sdk.token.Tokens;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.net.URI;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** com.nimbusds:oauth2-oidc-sdk as a client in one style. */
final class NimbusClient {
    private static final int PARALLEL = 5;
    private static final Scope SCOPE = new Scope("read", "write");

    private final Server server;
    private final AuthorizationServerMetadata metadata;
    /** A secret with the client's id, or nothing for a public client. */
    private final ClientAuthentication authentication;
    private final ClientID clientId;
    private final Report report;
    /** The tokens that one check passes to the next. */
    private Tokens tokens;

    private NimbusClient(Server server, AuthorizationServerMetadata metadata, String style, ClientAuthentication authentication,
            ClientID clientId) {
        this.server = server;
        this.metadata = metadata;
        this.authentication = authentication;
        this.clientId = clientId;
        String version = TokenRequest.class.getPackage().getImplementationVersion();
        this.report = new Report("Nimbus OAuth 2.0 SDK", version, "client", style);
    }

    static void run(Server server) throws Exception {
        Issuer issuer = new Issuer(server.issuer());
        AuthorizationServerMetadata metadata = AuthorizationServerMetadata.resolve(issuer);
        OIDCProviderMetadata provider = OIDCProviderMetadata.resolve(issuer);
        ClientID id = new ClientID(server.clientId());
        Secret secret = new Secret(server.clientSecret());
        List<NimbusClient> clients = List.of(
                new NimbusClient(server, metadata, "basic", new ClientSecretBasic(id, secret), id),
                new NimbusClient(server, metadata, "post", new ClientSecretPost(id, secret), id),
                new NimbusClient(server, metadata, "none", null, new ClientID(server.publicClientId())),
                new NimbusClient(server, provider, "oidc basic", new ClientSecretBasic(id, secret), id));
        List<Tokens> aging = new ArrayList<>();
        for (NimbusClient client : clients) {
            aging.add(client.ask(client.password(server.password()), new Scope("profile")));
            client.runChecks();
        }
        // Last, when the access tokens have expired or nearly so.
        for (int n = 0; n < clients.size(); n++) {
            NimbusClient client = clients.get(n);
            Tokens old = aging.get(n);
            client.report.check("expired access token", () -> client.meetsExpiry(old));
        }
    }

    private void runChecks() {
        report.check("sign in", () -> {
            tokens = ask(password(server.password()), SCOPE);
            requireReadable(tokens);
        });
        report.check("refresh", () -> tokens = refresh(tokens));
        report.check("refresh again", () -> tokens = refresh(tokens));
        report.check("concurrent refresh", () -> tokens = refreshInThreads(tokens));
        report.check("wrong password", () -> requireRefusal(
                OAuth2Error.INVALID_GRANT, () -> ask(password("not " + server.password()), SCOPE)));
        report.check("wrong secret", () -> requireRefusal(
                OAuth2Error.INVALID_CLIENT, () -> stranger().ask(password(server.password()), SCOPE)));
        report.check("narrower scope", this::narrows);
        report.check("revoke", () -> {
            RefreshToken revoked = ask(password(server.password()), SCOPE).getRefreshToken();
            revoke(revoked);
            requireRefusal(OAuth2Error.INVALID_GRANT, () -> ask(new RefreshTokenGrant(revoked), null));
        });
        if (authentication == null) {
            report.unsupported("introspect", "a public client may not introspect, by RFC 7662, 2.1");
        } else {
            report.check("introspect", this::introspects);
        }
    }

    private AuthorizationGrant password(String password) {
        return new ResourceOwnerPasswordCredentialsGrant(server.username(), new Secret(password));
    }

    /** Asks the token endpoint. */
    private Tokens ask(AuthorizationGrant grant, Scope scope) throws Exception {
        URI endpoint = metadata.getTokenEndpointURI();
        TokenRequest.Builder builder = authentication == null
                ? new TokenRequest.Builder(endpoint, clientId, grant)
                : new TokenRequest.Builder(endpoint, authentication, grant);
        TokenResponse response = TokenResponse.parse(send(builder.scope(scope).build()));
        if (!response.indicatesSuccess()) {
            throw new GeneralException(response.toErrorResponse().getErrorObject());
        }
        return response.toSuccessResponse().getTokens();
    }

    private static HTTPResponse send(Request request) throws Exception {
        HTTPRequest http = request.toHTTPRequest();
        http.setConnectTimeout(30_000);
        http.setReadTimeout(30_000);
        return http.send();
    }

    private static void requireReadable(Tokens tokens) {
        require(tokens.getAccessToken().getType().equals(AccessTokenType.BEARER), "it is no bearer token");
        require(tokens.getAccessToken().getLifetime() > 0, "it has no lifetime");
        require(SCOPE.equals(tokens.getAccessToken().getScope()), "its scope is " + tokens.getAccessToken().getScope());
        require(tokens.getRefreshToken() != null, "there is no refresh token");
    }

    private Tokens refresh(Tokens tokens) throws Exception {
        Tokens next = ask(new RefreshTokenGrant(tokens.getRefreshToken()), null);
        requireReadable(next);
        require(!next.getRefreshToken().equals(tokens.getRefreshToken()), "it got the refresh token that it had");
        require(!next.getAccessToken().getValue().equals(tokens.getAccessToken().getValue()), "it got the access token that it had");
        return next;
    }

    private Tokens refreshInThreads(Tokens tokens) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(PARALLEL);
        try {
            Callable<Tokens> use = () -> refresh(tokens);
            Set<RefreshToken> successors = new HashSet<>();
            Tokens last = tokens;
            for (Future<Tokens> answer : threads.invokeAll(Collections.nCopies(PARALLEL, use))) {
                last = answer.get();
                successors.add(last.getRefreshToken());
            }
            require(successors.size() == 1, "the same refresh token has several successors");
            return refresh(last);
        } finally {
            threads.shutdownNow();
        }
    }

    /** The same with a wrong secret; without one, a client that nobody has registered. */
    private NimbusClient stranger() {
        Secret wrong = new Secret("not " + server.clientSecret());
        ClientAuthentication other = authentication;
        if (authentication instanceof ClientSecretBasic) {
            other = new ClientSecretBasic(clientId, wrong);
        } else if (authentication instanceof ClientSecretPost) {
            other = new ClientSecretPost(clientId, wrong);
        }
        return new NimbusClient(server, metadata, report.style(), other, new ClientID("nobody"));
    }

    private static void requireRefusal(ErrorObject expected, Callable<?> request) throws Exception {
        try {
            request.call();
        } catch (GeneralException refusal) {
            String code = refusal.getErrorObject().getCode();
            require(expected.getCode().equals(code), "it was refused with " + code);
            return;
        }
        throw new IllegalStateException("it was not refused");
    }

    private void narrows() throws Exception {
        Tokens narrow = ask(new RefreshTokenGrant(tokens.getRefreshToken()), new Scope("read"));
        require(new Scope("read").equals(narrow.getAccessToken().getScope()), "the scope is " + narrow.getAccessToken().getScope());
        tokens = refresh(narrow);
    }

    private void revoke(Token token) throws Exception {
        URI endpoint = metadata.getRevocationEndpointURI();
        TokenRevocationRequest request = authentication == null
                ? new TokenRevocationRequest(endpoint, clientId, token)
                : new TokenRevocationRequest(endpoint, authentication, token);
        HTTPResponse response = send(request);
        require(response.indicatesSuccess(), "revocation was answered with " + response.getStatusCode());
    }

    private void introspects() throws Exception {
        RefreshToken token = ask(password(server.password()), SCOPE).getRefreshToken();
        TokenIntrospectionSuccessResponse before = introspect(token);
        require(before.isActive(), "it is not active");
        require(clientId.equals(before.getClientID()), "it is of " + before.getClientID());
        revoke(token);
        Map<String, Object> after = introspect(token).toJSONObject();
        require(after.equals(Map.of("active", false)), "after its revocation it is " + after);
    }

    private TokenIntrospectionSuccessResponse introspect(Token token) throws Exception {
        URI endpoint = metadata.getIntrospectionEndpointURI();
        HTTPResponse answer = send(new TokenIntrospectionRequest(endpoint, authentication, token));
        TokenIntrospectionResponse response = TokenIntrospectionResponse.parse(answer);
        require(response.indicatesSuccess(), "introspection was answered with " + answer.getStatusCode());
        return response.toSuccessResponse();
    }

    private void meetsExpiry(Tokens old) throws Exception {
        UserInfoResponse refusal = userInfo(old);
        while (refusal.indicatesSuccess()) {
            Thread.sleep(200);
            refusal = userInfo(old);
        }
        ErrorObject error = refusal.toErrorResponse().getErrorObject();
        require(error.equals(BearerTokenError.INVALID_TOKEN) && error.getHTTPStatusCode() == 401, "it was refused with " + error);
        Tokens next = ask(new RefreshTokenGrant(old.getRefreshToken()), null);
        require(userInfo(next).indicatesSuccess(), "userinfo refuses the new access token");
    }

    private UserInfoResponse userInfo(Tokens tokens) throws Exception {
        URI endpoint = URI.create(server.issuer() + "/oauth/userinfo");
        BearerAccessToken token = tokens.getBearerAccessToken();
        return UserInfoResponse.parse(send(new UserInfoRequest(endpoint, token)));
    }
}
