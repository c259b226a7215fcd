import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AccountApi;
import org.openapitools.client.api.TokensApi;

/** Signs in, lists the sessions, refreshes and signs out, by openapi-generator's client for Java. */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws ApiException {
        var client = new ApiClient().setBasePath(System.getenv("ISSUER")).setConnectTimeout(60_000).setReadTimeout(60_000);
        var tokens = new TokensApi(client);
        var id = System.getenv("CLIENT_ID");
        var signedIn = tokens.token("password", System.getenv("USERNAME"), System.getenv("PASSWORD"), null, null, null, null, "account", null, null, id, null);
        client.setAccessToken(signedIn.getAccessToken());
        var sessions = new AccountApi(client).listSessions(null, 10).getSessions();
        expect(sessions.stream().anyMatch(session -> session.getCurrent() && session.getClientId().equals(id)), "lists the sessions");
        var refreshed = tokens.token("refresh_token", null, null, signedIn.getRefreshToken(), null, null, null, null, null, null, id, null);
        expect(!refreshed.getRefreshToken().equals(signedIn.getRefreshToken()), "refreshes");
        tokens.revoke(refreshed.getRefreshToken(), null, id, null);
        try {
            tokens.token("refresh_token", null, null, refreshed.getRefreshToken(), null, null, null, null, null, null, id, null);
            expect(false, "is signed out");
        } catch (ApiException error) {
            expect(error.getCode() == 400, "is signed out");
        }
    }

    private static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }
}
