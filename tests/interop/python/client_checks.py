"""The checks of a client library, which a subclass of `Driver` calls."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from report import CLIENT_ID, CLIENT_SECRET, ISSUER, PUBLIC_CLIENT_ID, SECONDS, USERNAME, Report, claims, equal

USERINFO = f"{ISSUER}/oauth/userinfo"
THREADS = 5


class Driver:
    """One session of a library. `style` is how it authenticates: basic, post or none."""

    library = None
    styles = ("basic", "post", "none")

    def __init__(self, style, client_id, client_secret):
        self.style, self.client_id, self.client_secret = style, client_id, client_secret

    def begin(self, scope):
        """Signs in with the library if it can; otherwise gets tokens by a plain request."""
        return self.sign_in(scope)

    def ask(self):
        """Sends any request to the token endpoint."""
        return self.sign_in("read")

    def together(self, does):
        """Runs a function in five threads at once, on this one object."""
        barrier = threading.Barrier(THREADS)

        def one(_):
            barrier.wait(20)
            return does()

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(THREADS)))

    # def sign_in(self, scope, password=PASSWORD): the token answer
    # def refresh(self, scope=None, token=None): the token answer; with this refresh token, or else the session's
    # def access_token(self): the current access token
    # def call(self, url): the status of a GET with the access token, which is refreshed when necessary
    # def revoke(self): revokes the refresh token
    # def introspect(self): the answer about the refresh token
    # def error_of(self, does): runs a function, and returns the error code in the library's own exception


def run(driver, example):
    """Runs the example of docs/interop.md, and then all checks for each way to authenticate."""
    equal(example()["preferred_username"], USERNAME)
    report = Report(driver.library, "client")
    for style in driver.styles:
        def make(client_id=None, client_secret=None, style=style):
            if style == "none":
                return driver(style, client_id or PUBLIC_CLIENT_ID, None)
            return driver(style, client_id or CLIENT_ID, client_secret or CLIENT_SECRET)

        for name, check in CHECKS.items():
            report.check(name, lambda check=check: check(make), style)


def sign_in(make):
    token = make().sign_in("read write")
    equal((token["token_type"], words(token)), ("Bearer", {"read", "write"}))
    equal(0 < token["expires_in"] <= SECONDS, True)
    equal(token["refresh_token"][:4], "hrt_")


def refresh(make, times=1):
    session = make()
    seen = [session.begin("read write")]
    for _ in range(times):
        seen.append(session.refresh())
    for name in ("access_token", "refresh_token"):
        equal(len({token[name] for token in seen}), times + 1)
    equal({claims(token["access_token"])["sid"] for token in seen}, {claims(seen[0]["access_token"])["sid"]})


def concurrent_refresh(make):
    session = make()
    before = session.begin("read write")
    for _ in range(3):
        # Each uses the old token, even if another one has refreshed already.
        tokens = session.together(lambda old=before["refresh_token"]: session.refresh(token=old))
        successors = {token["refresh_token"] for token in tokens}
        equal((len(tokens), len(successors)), (THREADS, 1))
        equal({claims(token["access_token"])["sid"] for token in tokens}, {claims(before["access_token"])["sid"]})
        equal(successors & {before["refresh_token"]}, set())
        before = tokens[0]
    equal(session.refresh()["refresh_token"] in successors, False)


def expired_access_token(make):
    session = make()
    old = session.begin("profile")
    equal(session.call(USERINFO), 200)
    deadline = time.monotonic() + SECONDS + 10
    while (refused := plain_call(session.access_token())).status_code == 200:
        equal(time.monotonic() < deadline, True)
        time.sleep(0.2)
    equal((refused.status_code, 'error="invalid_token"' in refused.headers["WWW-Authenticate"]), (401, True))
    # Also by the library's own clock: some libraries round, so that a token lasts a little longer there.
    while time.time() <= old.get("expires_at", 0):
        time.sleep(0.1)
    # The threads find it expired at the same time, and each of them refreshes.
    equal(session.together(lambda: session.call(USERINFO)), [200] * THREADS)
    equal(claims(session.access_token())["sid"], claims(old["access_token"])["sid"])
    session.refresh()
    equal(session.call(USERINFO), 200)


def plain_call(token):
    return requests.get(USERINFO, headers={"Authorization": f"Bearer {token}"}, timeout=20)


def wrong_password(make):
    session = make()
    equal(session.error_of(lambda: session.sign_in("read", password="not the password")), "invalid_grant")


def wrong_secret(make):
    public = make().client_secret is None
    session = make(client_id="nobody-knows-it") if public else make(client_secret="wr:ng%s/cret+")
    equal(session.error_of(session.ask), "invalid_client")


def narrower_scope(make):
    session = make()
    session.begin("read write")
    equal(words(session.refresh(scope="read")), {"read"})
    equal(words(session.refresh()), {"read", "write"})


def revoke(make):
    session = make()
    session.begin("read")
    session.revoke()
    equal(session.error_of(session.refresh), "invalid_grant")


def introspect(make):
    session = make()
    session.begin("read")
    equal(session.introspect()["active"], True)
    session.revoke()
    equal(session.introspect(), {"active": False})


def words(token):
    scope = token["scope"]
    return set(scope.split() if isinstance(scope, str) else scope)


CHECKS = {
    "sign in": sign_in,
    "refresh": refresh,
    "refresh again": lambda make: refresh(make, times=3),
    "concurrent refresh": concurrent_refresh,
    "expired access token": expired_access_token,
    "wrong password": wrong_password,
    "wrong secret": wrong_secret,
    "narrower scope": narrower_scope,
    "revoke": revoke,
    "introspect": introspect,
}
