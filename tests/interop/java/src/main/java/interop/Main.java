package interop;

import interop.signin.SpringSignIn;
import interop.spring.SpringServer;
import java.util.Map;

/**
 * Runs one of the Java libraries against the heirloom server that the environment variables describe, and prints a line of
 * JSON for each check: see ../README.md.
 */
final class Main {
    private interface Program {
        void run(Server server) throws Exception;
    }

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Report.takeStandardOutput();
        Map<String, Program> programs = Map.of(
                "nimbus-sdk", NimbusClient::run,
                "nimbus-jose", NimbusServer::run,
                "spring-client", SpringClient::run,
                "spring-machine", SpringMachine::run,
                "spring-sign-in", server -> SpringSignIn.run(),
                "spring-security", SpringServer::run);
        Program program = arguments.length == 1 ? programs.get(arguments[0]) : null;
        if (program == null) {
            System.err.println("the programs are " + programs.keySet());
            System.exit(2);
        }
        program.run(Server.fromEnvironment());
    }
}
