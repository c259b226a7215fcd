package interop;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;

/** The heirloom server. */
public record Server(String issuer, String clientId, String clientSecret, String publicClientId, String username,
        String password, String audience, String typ, String rotate) {

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    static Server fromEnvironment() {
        return new Server(variable("ISSUER"), variable("CLIENT_ID"), variable("CLIENT_SECRET"), variable("PUBLIC_CLIENT_ID"),
                variable("USERNAME"), variable("PASSWORD"), variable("AUDIENCE"), variable("TYP"), variable("ROTATE"));
    }

    private static String variable(String name) {
        String value = System.getenv("HEIRLOOM_" + name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException("HEIRLOOM_" + name + " is not set");
        }
        return value;
    }

    public String keys() {
        return issuer + "/.well-known/jwks.json";
    }

    /** Signs in by plain HTTP, as any client, and returns the access token. */
    String accessToken() throws Exception {
        return JSONObjectUtils.getString(signIn(publicClientId, null, "read write"), "access_token");
    }

    /** Signs in by plain HTTP, and returns the answer. A public client has no secret. */
    Map<String, Object> signIn(String client, String secret, String scope) throws Exception {
        Map<String, String> form = Map.of("grant_type", "password", "client_id", client, "client_secret", secret == null ? "" : secret,
                "username", username, "password", password, "scope", scope);
        String body = form.entrySet().stream().filter(field -> !field.getValue().isEmpty())
                .map(field -> field.getKey() + "=" + encode(field.getValue())).collect(Collectors.joining("&"));
        HttpRequest request = HttpRequest.newBuilder(URI.create(issuer + "/oauth/token")).timeout(PATIENCE)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        Report.require(answer.statusCode() == 200, "signing in: " + answer.statusCode());
        return JSONObjectUtils.parse(answer.body());
    }

    private static String encode(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }

    /** Makes the server sign with a new key. */
    void rotateKey() throws Exception {
        Process process = new ProcessBuilder("sh", "-c", rotate).redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        Report.require(process.waitFor() == 0, "HEIRLOOM_ROTATE failed");
    }
}
