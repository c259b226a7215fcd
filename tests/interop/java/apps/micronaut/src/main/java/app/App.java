package app;

import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.runtime.Micronaut;
import io.micronaut.security.annotation.Secured;

/** An API behind Micronaut's bearer check. */
@Controller
@Secured("user")
public class App {
    public static void main(String[] arguments) {
        Micronaut.run(App.class, arguments);
    }

    @Get("/index.html")
    String comeIn() {
        return "come in\n";
    }
}
