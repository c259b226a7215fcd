"""What every gateway's program does: starts the gateway, sends it tokens, and prints the result of each check."""

import base64
import contextlib
import grp
import json
import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ISSUER, AUDIENCE = os.environ["HEIRLOOM_ISSUER"], os.environ["HEIRLOOM_AUDIENCE"]
JWKS = f"{ISSUER}/.well-known/jwks.json"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE = 60
# When a gateway fetches new keys: when it sees a token of a new key, some time later, or at a restart.
AT_ONCE, IN_TIME, AT_ITS_START = "at once", "in time", "at its start"


def access_token(scope="read", username=os.environ["HEIRLOOM_USERNAME"], password=os.environ["HEIRLOOM_PASSWORD"]):
    form = {"grant_type": "password", "client_id": os.environ["HEIRLOOM_PUBLIC_CLIENT_ID"], "scope": scope,
            "username": username, "password": password}
    with DIRECT.open(f"{ISSUER}/oauth/token", urllib.parse.urlencode(form).encode(), timeout=PATIENCE) as answer:
        return json.load(answer)["access_token"]


def read(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def changed(token):
    """The token with a changed signature."""
    head, body, signature = token.split(".")
    return ".".join((head, body, signature[:50] + ("A" if signature[50] != "A" else "B") + signature[51:]))


def template(name, **values):
    text = (HERE / name).read_text()
    for key, value in {"issuer": ISSUER, "audience": AUDIENCE, "jwks": JWKS, **values}.items():
        text = text.replace(f"@{key}@", str(value))
    return text


# In a random order, and each is drawn once. The system gives none of them to those who ask for any port, nor to outgoing
# connections. The apps that sign people in have the ports below them.
PORTS = iter(random.sample(range(20_000, 32_768), 12_768))


def free_port():
    """A port that nobody uses, and that was not drawn before."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


class Gateway:
    """A gateway in a folder of its own. `configure(folder, port)` writes its files and returns the command."""

    def __init__(self, configure):
        self.configure = configure
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="heirloom-gateway-"))
        self.folder.chmod(0o755)
        self.process = None

    def start(self):
        self.port = free_port()
        command = self.configure(self.folder, self.port)
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the gateway did not start: {self.said()}")
            time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def said(self):
        files = [self.folder / name for name in ("out", "log")]
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in files if file.exists())

    def ask(self, token):
        """The status of its answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with DIRECT.open(urllib.request.Request(f"http://127.0.0.1:{self.port}/index.html", headers=headers), timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


def expect(found, *wanted):
    if found not in wanted:
        raise AssertionError(f"answered {found}, not {' or '.join(map(str, wanted))}")


def rotate(gateway, keys):
    old = access_token()
    expect(gateway.ask(old), 200)
    subprocess.run(["sh", "-c", os.environ["HEIRLOOM_ROTATE"]], check=True, stdout=subprocess.DEVNULL)
    if keys == AT_ITS_START:
        gateway.restart()
    young = access_token()
    assert read(old.split(".")[0])["kid"] != read(young.split(".")[0])["kid"]
    until = time.monotonic() + PATIENCE
    while keys == IN_TIME and gateway.ask(young) != 200 and time.monotonic() < until:
        time.sleep(0.2)
        young = access_token()
    expect(gateway.ask(young), 200)


def until_over(gateway):
    token = access_token()
    expect(gateway.ask(token), 200)
    # Gateways count whole seconds.
    time.sleep(max(0, read(token.split(".")[1])["exp"] + 1.5 - time.time()))
    expect(gateway.ask(token), 401, 403)


def check(library, version, gateway, keys=AT_ONCE, role="gateway"):
    """Runs every check. `keys`: when the gateway fetches new ones."""
    checks = {
        "accepts a token": lambda: expect(gateway.ask(access_token("read write")), 200),
        "refuses no token": lambda: expect(gateway.ask(None), 401, 403),
        "refuses another audience": lambda: expect(gateway.ask(access_token("profile")), 401, 403),
        "refuses a changed signature": lambda: expect(gateway.ask(changed(access_token())), 401, 403),
        "refuses an expired token": lambda: until_over(gateway),
        "key rotation": lambda: rotate(gateway, keys),
    }
    try:
        gateway.start()
        for name, run in checks.items():
            said = {"library": library, "version": version, "as": role, "check": name, "result": "passed"}
            try:
                run()
            except Exception as error:  # what a check finds is said, whatever it is
                print(f"{name}: {error!r}\n{gateway.said()}", file=sys.stderr)
                said |= {"result": "failed", "note": str(error) or repr(error)}
            print(json.dumps(said))
    finally:
        gateway.stop()
        shutil.rmtree(gateway.folder, ignore_errors=True)


def debians(package):
    """The version in the results: "Debian's", since it depends on the system. The log has the number."""
    subprocess.run(["dpkg-query", "-W", package], check=True, stdout=sys.stderr)
    return "Debian's"


def apache(module, **more):
    """The command that runs Apache with a module's configuration."""
    def configure(folder, port):
        (folder / "pages").mkdir(exist_ok=True)
        (folder / "pages/index.html").write_text("come in\n")
        user = "www-data" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
        values = {"folder": folder, "port": port, "modules": "/usr/lib/apache2/modules", "user": user, "group": group, **more}
        text = template("apache.conf", **values) + template(f"{module}.conf", **values)
        (folder / "apache.conf").write_text(text)
        return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]
    return configure
