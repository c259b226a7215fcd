"""An application of a Java framework that checks tokens by itself: `app.py NAME`."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
INTEROP = HERE.parent.parent
sys.path.insert(0, str(INTEROP / "gateways"))
from gateway import AT_ONCE, IN_TIME, Gateway, check  # noqa: E402

BUILT = INTEROP.parent.parent / "target/interop/java-apps"
# The framework's name, the jar whose name has its version, the command that starts it, and when it fetches new keys.
CLASSES, QUARKUS = "classes", "quarkus-app/quarkus-run.jar"
APPS = {
    "vertx": ("Vert.x", "vertx-auth-oauth2", CLASSES, IN_TIME),
    "quarkus": ("Quarkus", "io.quarkus.quarkus-oidc", QUARKUS, AT_ONCE),
    "micronaut": ("Micronaut Security", "micronaut-security-jwt", CLASSES, IN_TIME),
}


def jars(folder, start):
    if start == CLASSES:
        return (folder / "classpath").read_text().strip().split(os.pathsep)
    return [str(path) for path in (folder / "quarkus-app/lib/main").iterdir()]


def version(names, jar):
    """The version of a jar by its file's name."""
    found = {name[len(jar) + 1:-len(".jar")] for name in map(os.path.basename, names) if name.startswith(jar + "-")}
    return next(text for text in found if text[0].isdigit())


def main(name):
    library, jar, start, keys = APPS[name]
    folder = BUILT / name
    names = jars(folder, start)

    def configure(_, port):
        what = ["-jar", folder / start] if start == QUARKUS else ["-cp", os.pathsep.join([str(folder / start), *names]), "app.App"]
        # Without the optimizing compiler, which does not pay in so short a run.
        return ["env", f"PORT={port}", "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *what]

    check(library, version(names, jar), Gateway(configure), keys, role="application")


main(*sys.argv[1:])
