"""The checks of a resource server's library."""

import os
import subprocess

import requests

from report import AUDIENCE, ISSUER, PASSWORD, PUBLIC_CLIENT_ID, TOKEN_ENDPOINT, TYP, USERNAME, Report, equal, part


def sign_in(scope="read write"):
    """An access token, fresh from the server."""
    form = {"grant_type": "password", "client_id": PUBLIC_CLIENT_ID, "username": USERNAME, "password": PASSWORD}
    answer = requests.post(TOKEN_ENDPOINT, data={**form, "scope": scope}, timeout=20)
    answer.raise_for_status()
    token = answer.json()["access_token"]
    equal(part(token, 0)["typ"], TYP)
    return token


class Verifier:
    """A library, set up for an issuer and an audience."""

    library = None
    # The exceptions that it raises for a token that it refuses.
    refusal = None

    def __init__(self, issuer=ISSUER, audience=AUDIENCE):
        self.issuer, self.audience = issuer, audience

    # def verify(self, token): the claims
    # def verify_later(self, token): the same, with the library's clock 700 seconds ahead


def run(verifier):
    """Runs all checks."""
    report = Report(verifier.library, "resource server")
    for name, check in CHECKS.items():
        report.check(name, lambda check=check: check(verifier))


def accepts(verifier):
    equal(verifier().verify(sign_in())["iss"], ISSUER)


def reads(verifier):
    claims = verifier().verify(sign_in())
    equal((claims["scope"].split(), claims["roles"]), (["read", "write"], ["user"]))


def refused(verifier, does):
    try:
        claims = does()
    except verifier.refusal:
        return
    raise AssertionError(f"it accepts {claims}")


def expired(verifier):
    good, token = verifier(), sign_in()
    good.verify(token)
    refused(verifier, lambda: good.verify_later(token))


def other_audience(verifier):
    token = sign_in()
    verifier().verify(token)
    refused(verifier, lambda: verifier(audience="another-api").verify(token))


def other_issuer(verifier):
    token = sign_in()
    verifier().verify(token)
    refused(verifier, lambda: verifier(issuer="https://id.example.com").verify(token))


def changed(verifier):
    good, token = verifier(), sign_in()
    good.verify(token)
    at = token.rindex(".") + 20
    refused(verifier, lambda: good.verify(token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]))


def rotation(verifier):
    warm, old = verifier(), sign_in()
    warm.verify(old)
    subprocess.run(["sh", "-c", os.environ["HEIRLOOM_ROTATE"]], check=True, timeout=200)
    new = sign_in()
    equal(part(new, 0)["kid"] == part(old, 0)["kid"], False)
    for token in (new, old, new):
        equal(warm.verify(token)["iss"], ISSUER)


CHECKS = {
    "accepts a token": accepts,
    "refuses an expired token": expired,
    "refuses another audience": other_audience,
    "refuses another issuer": other_issuer,
    "refuses a changed signature": changed,
    "reads scope and roles": reads,
    "key rotation with a warm cache": rotation,
}
