package interop.signin;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Lazy;
import org.springframework.http.HttpMethod;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.AuthenticationException;
import org.springframework.security.core.SpringSecurityCoreVersion;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizeRequest;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientProviderBuilder;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.servlet.util.matcher.PathPatternRequestMatcher;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;
import org.springframework.web.servlet.view.RedirectView;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;

/** An app that signs people in by {@code oauth2Login}. Its client and its issuer are in sign-in.properties. */
@SpringBootApplication
@RestController
public class SpringSignIn {
    /** Runs the app until it is killed. */
    public static void run() {
        System.setProperty("spring.config.name", "sign-in");
        SpringApplication.run(SpringSignIn.class);
    }

    @Bean
    SecurityFilterChain signIn(HttpSecurity http, ClientRegistrationRepository clients) {
        OidcClientInitiatedLogoutSuccessHandler atTheIssuerToo = new OidcClientInitiatedLogoutSuccessHandler(clients);
        atTheIssuerToo.setPostLogoutRedirectUri("{baseUrl}/");
        return http
                .authorizeHttpRequests(requests -> requests
                        .requestMatchers("/", "/about", "/sign-in", "/callback").permitAll()
                        .anyRequest().authenticated())
                .oauth2Login(login -> login
                        .authorizationEndpoint(endpoint -> endpoint.authorizationRequestResolver(withPrompt(clients)))
                        .redirectionEndpoint(endpoint -> endpoint.baseUri("/callback"))
                        .defaultSuccessUrl("/me", true)
                        .failureHandler(SpringSignIn::refused))
                .logout(logout -> logout
                        // By default it is a POST with a token against forged requests.
                        .logoutRequestMatcher(PathPatternRequestMatcher.withDefaults().matcher(HttpMethod.GET, "/logout"))
                        .logoutSuccessHandler(atTheIssuerToo))
                .build();
    }

    /** Passes {@code prompt} on. */
    private static OAuth2AuthorizationRequestResolver withPrompt(ClientRegistrationRepository clients) {
        DefaultOAuth2AuthorizationRequestResolver resolver = new DefaultOAuth2AuthorizationRequestResolver(clients);
        resolver.setAuthorizationRequestCustomizer(request -> {
            if (RequestContextHolder.getRequestAttributes() instanceof ServletRequestAttributes attributes) {
                String prompt = attributes.getRequest().getParameter("prompt");
                request.additionalParameters(more -> { if (prompt != null) more.put("prompt", prompt); });
            }
        });
        return resolver;
    }

    private static void refused(HttpServletRequest request, HttpServletResponse response, AuthenticationException failure)
            throws IOException {
        failure.printStackTrace();
        String code = failure instanceof OAuth2AuthenticationException refusal ? refusal.getError().toString() : "";
        response.setStatus(403);
        response.getWriter().print(code + " " + failure.getMessage());
    }

    /** As the default, but every access token counts as expired. */
    @Bean
    OAuth2AuthorizedClientManager alwaysRefreshing(ClientRegistrationRepository clients, OAuth2AuthorizedClientRepository store) {
        DefaultOAuth2AuthorizedClientManager manager = new DefaultOAuth2AuthorizedClientManager(clients, store);
        manager.setAuthorizedClientProvider(OAuth2AuthorizedClientProviderBuilder.builder()
                .authorizationCode().refreshToken(refresh -> refresh.clockSkew(Duration.ofDays(1))).build());
        return manager;
    }

    private final OAuth2AuthorizedClientRepository store;
    private final OAuth2AuthorizedClientManager manager;

    SpringSignIn(@Lazy OAuth2AuthorizedClientRepository store,
            @Lazy OAuth2AuthorizedClientManager manager) {
        this.store = store;
        this.manager = manager;
    }

    @GetMapping("/sign-in")
    RedirectView signIn(@RequestParam(required = false) String prompt) {
        return new RedirectView("/oauth2/authorization/heirloom" + (prompt == null ? "" : "?prompt=" + prompt));
    }

    @GetMapping("/me")
    Map<String, Object> me(@AuthenticationPrincipal OidcUser user) {
        Instant authTime = user.getIdToken().getAuthenticatedAt();
        return Map.of("sub", user.getSubject(), "auth_time", authTime.getEpochSecond(), "name", user.getPreferredUsername());
    }

    @GetMapping("/refresh")
    Map<String, Object> refresh(Authentication person, HttpServletRequest request, HttpServletResponse response) {
        OAuth2AuthorizedClient before = store.loadAuthorizedClient("heirloom", person, request);
        OAuth2AuthorizedClient after = manager.authorize(OAuth2AuthorizeRequest.withAuthorizedClient(before).principal(person)
                .attribute(HttpServletRequest.class.getName(), request)
                .attribute(HttpServletResponse.class.getName(), response).build());
        boolean changed = !after.getAccessToken().getTokenValue().equals(before.getAccessToken().getTokenValue());
        return Map.of("sub", person.getName(), "changed", changed);
    }

    @GetMapping("/")
    String start() {
        return "signed out";
    }

    @GetMapping("/about")
    Map<String, Object> about() {
        return Map.of("library", "Spring Security", "version", SpringSecurityCoreVersion.getVersion(),
                "login", "/sign-in");
    }
}
