package interop;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jose.util.ResourceRetriever;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.ConfigurableJWTProcessor;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.text.ParseException;
import java.time.Clock;
import java.util.Date;
import java.util.List;
import java.util.Set;

/** com.nimbusds:nimbus-jose-jwt as a resource server. */
final class NimbusServer implements ResourceServer {
    private final JWKSource<SecurityContext> keys;

    private NimbusServer(JWKSource<SecurityContext> keys) {
        this.keys = keys;
    }

    static void run(Server server) throws Exception {
        // One for the whole program, since it has the cache. By default it waits half a second for the keys.
        ResourceRetriever retriever = new DefaultResourceRetriever(30_000, 30_000);
        JWKSource<SecurityContext> keys = JWKSourceBuilder.create(URI.create(server.keys()).toURL(), retriever).build();
        String version = JWSObject.class.getPackage().getImplementationVersion();
        Report report = new Report("Nimbus JOSE + JWT", version, "resource server", "");
        ResourceServer.check(report, server, new NimbusServer(keys),
                new Words("Expired JWT", "JWT aud claim", "JWT iss claim", "Invalid signature", "JOSE header typ"));
    }

    @Override
    public Claims verify(String token, Wanted want) throws Refused, ParseException, JOSEException {
        JWTClaimsSet issued = new JWTClaimsSet.Builder().issuer(want.issuer()).build();
        DefaultJWTClaimsVerifier<SecurityContext> claims = new ClaimsVerifierAt(want.clock(), want.audience(), issued);
        try {
            JWTClaimsSet read = processor(keys, claims, want.typ()).process(token, null);
            return new Claims(List.of(read.getStringClaim("scope").split(" ")), read.getStringListClaim("roles"));
        } catch (BadJOSEException refused) {
            throw new Refused(refused.getMessage());
        }
    }

    private static ConfigurableJWTProcessor<SecurityContext> processor(
            JWKSource<SecurityContext> keys, DefaultJWTClaimsVerifier<SecurityContext> claims, String typ) {
        ConfigurableJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType(typ))); // "at+jwt"
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
        processor.setJWTClaimsSetVerifier(claims);
        return processor;
    }

    /** Has a clock that can be set, as its documentation recommends for tests. */
    private static final class ClaimsVerifierAt extends DefaultJWTClaimsVerifier<SecurityContext> {
        private final Clock clock;

        ClaimsVerifierAt(Clock clock, String audience, JWTClaimsSet exact) {
            super(audience, exact, Set.of("sub", "exp", "iat", "jti", "client_id"));
            this.clock = clock;
        }

        @Override
        protected Date currentTime() {
            return Date.from(clock.instant());
        }
    }
}
