package interop.spring;

import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.server.resource.authentication.DelegatingJwtGrantedAuthoritiesConverter;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationConverter;
import org.springframework.security.oauth2.server.resource.authentication.JwtGrantedAuthoritiesConverter;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An API. Its issuer and its audience are in application.properties, unless they are given when it starts. */
@SpringBootApplication
@RestController
class App {
    @GetMapping("/authorities")
    Collection<String> authorities(Authentication authentication) {
        return authentication.getAuthorities().stream().map(GrantedAuthority::getAuthority).sorted().toList();
    }

    @Bean
    SecurityFilterChain rules(HttpSecurity http) {
        return http
                .authorizeHttpRequests(requests -> requests
                        .requestMatchers("/authorities").hasAuthority("SCOPE_read")
                        .anyRequest().hasRole("admin"))
                .oauth2ResourceServer(server -> server.jwt(jwt -> {}))
                .build();
    }

    /** By default it takes only {@code JWT}. */
    @Bean
    JwtTypeValidator accessTokens(@Value("${heirloom.typ:at+jwt}") String typ) {
        return new JwtTypeValidator(typ);
    }

    /** The scope as {@code SCOPE_…}, which is the default, and the roles as {@code ROLE_…}. */
    @Bean
    JwtAuthenticationConverter scopeAndRoles() {
        JwtGrantedAuthoritiesConverter roles = new JwtGrantedAuthoritiesConverter();
        roles.setAuthoritiesClaimName("roles");
        roles.setAuthorityPrefix("ROLE_");
        JwtAuthenticationConverter converter = new JwtAuthenticationConverter();
        converter.setJwtGrantedAuthoritiesConverter(
                new DelegatingJwtGrantedAuthoritiesConverter(new JwtGrantedAuthoritiesConverter(), roles));
        return converter;
    }

    /** As the default, but with a clock that a check sets ahead. */
    @Bean
    JwtTimestampValidator timestamps(@Value("${ahead:0s}") Duration ahead) {
        JwtTimestampValidator validator = new JwtTimestampValidator();
        validator.setClock(Clock.offset(Clock.systemUTC(), ahead));
        return validator;
    }
}
