"""The checks of an app that signs people in: the app is a program of a language folder, and a `Person` uses it."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

from chromium import PATIENCE, Chromium
from person import Person
from server import ask

# A person refuses first, since what is allowed once is not asked again.
CHECKS = ["person refuses", "sign in", "signed in already", "password again", "refresh", "sign out"]
# What only some libraries have: their entries in expected.json name it as `also`, and their apps say where.
BACK_CHANNEL_LOGOUT = "back-channel logout"
# The clients that are registered for the app.
CONFIDENTIAL, PUBLIC, WITHOUT_PKCE = "sign-in-app", "sign-in-public", "sign-in-without-pkce"
SCOPE = "openid profile email offline_access read"


class Failed(Exception):
    """A check has failed."""


def register(server, port):
    """Registers the clients of an app at a port, and returns the environment variables that name them."""
    base = f"http://127.0.0.1:{port}"
    token = server.administrator()

    def registered(client, **more):
        body = {"id": client, "type": "confidential", **settings(base), **more}
        return ask(f"{server.said['issuer']}/admin/clients", bearer=token, body=body).get("client_secret", "")

    registered(PUBLIC, type="public")
    return {"HEIRLOOM_CLIENT_ID": CONFIDENTIAL, "HEIRLOOM_CLIENT_SECRET": registered(CONFIDENTIAL),
            "HEIRLOOM_PUBLIC_CLIENT_ID": PUBLIC,
            "HEIRLOOM_CLIENT_ID_WITHOUT_PKCE": WITHOUT_PKCE,
            "HEIRLOOM_CLIENT_SECRET_WITHOUT_PKCE": registered(WITHOUT_PKCE, pkce="optional"),
            "HEIRLOOM_APP": base, "HEIRLOOM_APP_PORT": str(port), "HEIRLOOM_APP_SCOPE": SCOPE}


def settings(base):
    """What is registered of each client."""
    return {"scopes": SCOPE.split()[1:], "redirect_uris": [f"{base}/callback", f"{base}/oauth2/callback"],
            "post_logout_redirect_uris": [f"{base}/"]}


def is_told_of_logouts(server, base, path):
    """Has an app's client told of logouts, at a path of the app."""
    body = {**settings(base), "backchannel_logout_uri": base + path}
    url = f"{server.said['issuer']}/admin/clients/{CONFIDENTIAL}"
    ask(url, bearer=server.administrator(), body=body, method="PUT")


def audience(port):
    """The audience of the scopes `read` and `write`, which an app may be itself."""
    return f"http://127.0.0.1:{port}/mcp"


# In a random order, and each is drawn once. The system gives none of them to those who ask for any port, nor to outgoing
# connections, and browsers refuse 10080. The gateways have the ports above them.
PORTS = iter(random.sample(range(11_000, 20_000), 9_000))


def free_port():
    """A port that nobody uses, and that was not drawn before."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


@contextlib.contextmanager
def running(command, environment, port, log):
    """Runs an app until it listens, and ends it afterwards with all of its processes."""
    with log.open("ab") as out, subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                                                 stderr=out, start_new_session=True) as process:
        try:
            until = time.monotonic() + PATIENCE
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the app does not listen: {log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class App:
    """An app and the people who use it."""

    def __init__(self, chromium, server, base):
        said = server.said
        self.base = base
        who = (chromium, said["issuer"], said["user"]["username"], said["user"]["password"])
        self.name = said["user"]["username"]
        self.person, self.refuser = Person(*who), Person(*who, refuses=True)
        self.before, self.login, self.knows_names = None, "/login", True

    def about(self):
        """What the app says of itself: `library`, `version`, what it has no API for (`cannot`), where the person begins
        (`login`), whether it shows names (`knows_names`), and where it is told of logouts (`told_of_logouts_at`)."""
        said = json.loads(self.person.go(f"{self.base}/about").text)
        self.login = said.pop("login", self.login)
        self.knows_names = said.pop("knows_names", True)
        return said

    def run(self, check):
        return getattr(self, check.replace(" ", "_").replace("-", "_"))()

    def sign_in(self):
        self.before = self.shown(self.login, ["password", "consent"])
        if self.knows_names:
            expect(self.before.get("name"), self.name, "the name")
        expect(len(self.before.get("sub", "")), 36, "the length of `sub`")

    def signed_in_already(self):
        self.same_person(self.shown(self.login, []), "auth_time")

    def password_again(self):
        # `auth_time` counts seconds.
        time.sleep(max(0.0, self.before.get("auth_time", 0) + 1.1 - time.time()))
        again = self.shown(f"{self.login}?prompt=login", ["password"])
        self.same_person(again)
        if "auth_time" in again and again["auth_time"] <= self.before["auth_time"]:
            raise Failed(f"auth_time {again['auth_time']} is not later than {self.before['auth_time']}")

    def refresh(self):
        for _ in range(2):
            after = self.shown("/refresh", [])
            expect(after.get("changed"), True, "whether the access token is another one")
            self.same_person(after)

    def person_refuses(self):
        page = self.refuser.go(self.base + self.login)
        expect(page.asked, ["password", "consent"], "what the person was asked")
        if "access_denied" not in page.text:
            raise Failed(f"the app shows no access_denied: {page}")

    def sign_out(self):
        page = self.person.go(f"{self.base}/logout")
        expect(page.url.split("?")[0], f"{self.base}/", "where signing out ends")
        self.same_person(self.shown(self.login, ["password"]))

    def back_channel_logout(self):
        self.same_person(self.shown(self.login, []))
        self.person.log_out()
        # Told behind the person's back: then the app's own session is over, and the person is asked again.
        until = time.monotonic() + PATIENCE
        while self.is_signed_in():
            if time.monotonic() > until:
                raise Failed("the app's session lives on")
            time.sleep(0.1)
        self.same_person(self.shown(self.login, ["password"]))

    def is_signed_in(self):
        """Whether the app shows who is signed in without sending the browser to heirloom's pages."""
        return self.person.look(self.base + self.login).url.startswith(f"{self.base}/")

    def shown(self, path, asked):
        """What the app shows to the person, as JSON."""
        page = self.person.go(self.base + path)
        if page.status != 200 or urllib.parse.urlsplit(page.url)[:2] != urllib.parse.urlsplit(self.base)[:2]:
            raise Failed(str(page))
        expect(page.asked, asked, "what the person was asked")
        return json.loads(page.text)

    def same_person(self, shown, *members):
        for member in ("sub", *members):
            expect(shown.get(member), self.before.get(member), member)


def expect(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {found!r}, not {wanted!r}")


def run(server, command, port):
    """Runs an app and does every check. Yields the results, as the lines that other programs print."""
    environment = {**server.environment(), **register(server, port)}
    log = server.folder / "app.log"
    with contextlib.closing(Chromium()) as chromium, running(command, environment, port, log):
        app = App(chromium, server, f"http://127.0.0.1:{port}")
        about = app.about()
        cannot, also = about.pop("cannot", {}), []
        if "told_of_logouts_at" in about:
            is_told_of_logouts(server, app.base, about.pop("told_of_logouts_at"))
            also = [BACK_CHANNEL_LOGOUT]
        for check in CHECKS + also:
            said = {**about, "as": "sign-in", "check": check, "result": "passed"}
            if check in cannot:
                said |= {"result": "not supported", "note": cannot[check]}
            else:
                try:
                    app.run(check)
                except Exception as error:  # what a check finds is said, whatever it is
                    print(f"{about['library']}: {check}:\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
                    said |= {"result": "failed", "note": f"{type(error).__name__}: {error}"}
            yield said
