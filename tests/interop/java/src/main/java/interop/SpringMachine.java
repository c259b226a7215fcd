package interop;

import static interop.Report.require;

import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.springframework.security.oauth2.client.AuthorizedClientServiceOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.InMemoryOAuth2AuthorizedClientService;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.client.registration.InMemoryClientRegistrationRepository;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2AccessToken;
import org.springframework.security.oauth2.core.OAuth2AuthorizationException;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtAudienceValidator;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/** spring-security-oauth2-client as a client that acts for itself, in one style; Spring's own decoder is the resource server. */
final class SpringMachine {
    private final Server server;
    private final ClientRegistration client;
    private final Report report;

    private SpringMachine(Server server, String style, ClientAuthenticationMethod method) {
        this.server = server;
        this.client = registration(server, method);
        this.report = new Report(
                "Spring Security", ClientRegistration.class.getPackage().getImplementationVersion(), "machine client", style);
    }

    static void run(Server server) {
        List.of(new SpringMachine(server, "basic", ClientAuthenticationMethod.CLIENT_SECRET_BASIC),
                new SpringMachine(server, "post", ClientAuthenticationMethod.CLIENT_SECRET_POST)).forEach(SpringMachine::runChecks);
    }

    private static ClientRegistration registration(Server server, ClientAuthenticationMethod method) {
        return ClientRegistrations.fromIssuerLocation(server.issuer())
                .registrationId("heirloom")
                .clientId(server.clientId())
                .clientSecret(server.clientSecret())
                .clientAuthenticationMethod(method)
                .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
                .scope("read")
                .build();
    }

    /** It keeps the token until a minute before its end. */
    private static OAuth2AuthorizedClientManager manager(ClientRegistration client) {
        InMemoryClientRegistrationRepository clients = new InMemoryClientRegistrationRepository(client);
        return new AuthorizedClientServiceOAuth2AuthorizedClientManager(
                clients, new InMemoryOAuth2AuthorizedClientService(clients));
    }

    private static OAuth2AuthorizedClient authorized(OAuth2AuthorizedClientManager manager) {
        return manager.authorize(OAuth2AuthorizeRequest.withClientRegistrationId("heirloom").principal("machine").build());
    }

    private void runChecks() {
        report.check("token of its own", this::getsToken);
        report.check("same token again", this::getsSameToken);
        report.check("claims of the token", this::showsClaims);
        report.check("wrong secret", this::meetsWrongSecret);
    }

    private void getsToken() {
        OAuth2AuthorizedClient authorized = authorized(manager(client));
        OAuth2AccessToken token = authorized.getAccessToken();
        require(token.getTokenType().equals(OAuth2AccessToken.TokenType.BEARER), "token type " + token.getTokenType().getValue());
        require(token.getScopes().equals(Set.of("read")), "the scope is " + token.getScopes());
        require(token.getExpiresAt().isAfter(Instant.now()), "it has no lifetime");
        require(authorized.getRefreshToken() == null, "there is a refresh token");
    }

    /** Two managers, which do not share what they keep: two instances of a service. */
    private void getsSameToken() {
        String first = authorized(manager(client)).getAccessToken().getTokenValue();
        String second = authorized(manager(client)).getAccessToken().getTokenValue();
        require(first.equals(second), "it got another token");
    }

    private void showsClaims() {
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(server.issuer()).build();
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
                new JwtTypeValidator("at+jwt"), new JwtTimestampValidator(), new JwtIssuerValidator(server.issuer()),
                new JwtAudienceValidator(server.audience())));
        Jwt token = decoder.decode(authorized(manager(client)).getAccessToken().getTokenValue());
        require(server.clientId().equals(token.getSubject()), "sub is " + token.getSubject());
        require(server.clientId().equals(token.getClaimAsString("client_id")), "client_id is " + token.getClaimAsString("client_id"));
        require("read".equals(token.getClaimAsString("scope")), "the scope is " + token.getClaimAsString("scope"));
        require(!token.hasClaim("roles"), "it has roles");
    }

    private void meetsWrongSecret() {
        ClientRegistration stranger = ClientRegistration.withClientRegistration(client).clientSecret("wrong").build();
        try {
            authorized(manager(stranger));
        } catch (OAuth2AuthorizationException refusal) {
            // It parses the error of a 400, but shows a 401 only as text.
            require(refusal.getError().toString().contains("invalid_client"), "it was refused with " + refusal.getError());
            return;
        }
        throw new IllegalStateException("it was not refused");
    }
}
