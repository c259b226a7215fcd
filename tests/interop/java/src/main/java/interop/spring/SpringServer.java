package interop.spring;

import static interop.Report.require;

import com.nimbusds.jose.util.JSONArrayUtils;
import interop.Report;
import interop.ResourceServer;
import interop.Server;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.security.core.SpringSecurityCoreVersion;

/** Spring Security's resource server: {@link App}, asked by HTTP. */
public final class SpringServer implements ResourceServer, AutoCloseable {
    private static final String JWT = "spring.security.oauth2.resourceserver.jwt.";

    private final Server server;
    private final HttpClient client = HttpClient.newHttpClient();
    /** A running app for each set of requirements. */
    private final Map<Wanted, ConfigurableApplicationContext> apps = new HashMap<>();

    private SpringServer(Server server) {
        this.server = server;
    }

    public static void run(Server server) throws Exception {
        Report report = new Report("Spring Security", SpringSecurityCoreVersion.getVersion(), "resource server", "");
        try (SpringServer library = new SpringServer(server)) {
            ResourceServer.check(report, server, library, new Words(
                    "Jwt expired at", "The aud claim is not valid", "The iss claim is not valid", "Invalid signature", "typ value"));
        }
    }

    @Override
    public Claims verify(String token, Wanted want) throws Exception {
        ConfigurableApplicationContext app = apps.computeIfAbsent(want, this::start);
        HttpResponse<String> answer = get(app, "/authorities", token);
        String challenge = answer.headers().firstValue("WWW-Authenticate").orElse("");
        if (answer.statusCode() == 401) {
            require(challenge.contains("error=\"invalid_token\""), "the challenge is " + challenge);
            throw new Refused(challenge);
        }
        require(answer.statusCode() == 200, "it answered " + answer.statusCode() + " " + challenge);
        require(get(app, "/", token).statusCode() == 403, "somebody who is no admin was let in");
        List<String> authorities = JSONArrayUtils.parse(answer.body()).stream().map(String::valueOf).toList();
        return new Claims(without("SCOPE_", authorities), without("ROLE_", authorities));
    }

    private ConfigurableApplicationContext start(Wanted want) {
        List<String> settings = new ArrayList<>(List.of(
                "--" + JWT + "issuer-uri=" + want.issuer(),
                "--" + JWT + "audiences=" + want.audience(),
                "--heirloom.typ=" + want.typ(),
                "--ahead=" + Duration.between(Clock.systemUTC().instant(), want.clock().instant()).toSeconds() + "s"));
        if (want.issuer().equals(ANOTHER_ISSUER)) {
            // The app has no way to show its keys.
            settings.add("--" + JWT + "jwk-set-uri=" + server.keys());
        }
        return SpringApplication.run(App.class, settings.toArray(String[]::new));
    }

    private HttpResponse<String> get(ConfigurableApplicationContext app, String path, String token) throws Exception {
        int port = ((WebServerApplicationContext) app).getWebServer().getPort();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .timeout(Duration.ofSeconds(30)).header("Authorization", "Bearer " + token).build();
        return client.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private static List<String> without(String prefix, List<String> authorities) {
        return authorities.stream().filter(authority -> authority.startsWith(prefix))
                .map(authority -> authority.substring(prefix.length())).toList();
    }

    @Override
    public void close() {
        apps.values().forEach(ConfigurableApplicationContext::close);
    }
}
