package interop;

import com.nimbusds.jose.util.JSONObjectUtils;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** Prints the checks of one library in one style, a line each; {@code style} may be empty. */
public record Report(String library, String version, String role, String style) {
    private static PrintStream out = System.out;

    /** A check, which fails by an exception. */
    public interface Check {
        void run() throws Exception;
    }

    /** Keeps the standard output for the report: everything else that is printed goes to the standard error. */
    static void takeStandardOutput() {
        out = System.out;
        System.setOut(System.err);
    }

    /** Runs a check and prints its result. */
    public void check(String name, Check check) {
        try {
            check.run();
        } catch (Exception failure) {
            failure.printStackTrace();
            print(name, "failed", failure.toString());
            return;
        }
        print(name, "passed", "");
    }

    /** Prints that the library does not support a check, and why. */
    void unsupported(String name, String note) {
        print(name, "not supported", note);
    }

    private void print(String name, String result, String note) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("library", library);
        line.put("version", version);
        line.put("as", role);
        if (!style.isEmpty()) {
            line.put("style", style);
        }
        line.put("check", name);
        line.put("result", result);
        if (!note.isEmpty()) {
            line.put("note", note);
        }
        out.println(JSONObjectUtils.toJSONString(line));
        out.flush();
    }

    /** Fails a check unless a condition holds. */
    public static void require(boolean so, String otherwise) {
        if (!so) {
            throw new IllegalStateException(otherwise);
        }
    }
}
