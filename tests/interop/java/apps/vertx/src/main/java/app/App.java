package app;

import io.vertx.core.Vertx;
import io.vertx.ext.auth.JWTOptions;
import io.vertx.ext.auth.oauth2.OAuth2Auth;
import io.vertx.ext.auth.oauth2.OAuth2Options;
import io.vertx.ext.auth.oauth2.providers.OpenIDConnectAuth;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.handler.OAuth2AuthHandler;

/** An API behind Vert.x's bearer check. */
public final class App {
    private App() {}

    public static void main(String[] arguments) {
        String issuer = System.getenv("HEIRLOOM_ISSUER");
        int port = Integer.parseInt(System.getenv("PORT"));
        Vertx vertx = Vertx.vertx();
        OAuth2Options options = new OAuth2Options()
                .setSite(issuer)
                .setJWTOptions(new JWTOptions().setIssuer(issuer).addAudience("demo-api"));
        OpenIDConnectAuth.discover(vertx, options)
                .compose(tokens -> vertx.createHttpServer().requestHandler(routes(vertx, tokens)).listen(port, "127.0.0.1"))
                .onFailure(error -> {
                    error.printStackTrace();
                    System.exit(1);
                });
    }

    private static Router routes(Vertx vertx, OAuth2Auth tokens) {
        Router router = Router.router(vertx);
        router.route().handler(OAuth2AuthHandler.create(vertx, tokens));
        router.get("/index.html").handler(context -> context.end("come in\n"));
        return router;
    }
}
