package app;

import jakarta.annotation.security.RolesAllowed;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;

/** An API behind Quarkus' bearer check. */
@Path("/index.html")
public class App {
    @GET
    @RolesAllowed("user")
    public String comeIn() {
        return "come in\n";
    }
}
