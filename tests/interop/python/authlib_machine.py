"""Authlib's OAuth2Session as a client that acts for itself; PyJWT is the resource server."""

import jwt
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from report import AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, SECONDS, Report, equal


def machine(issuer, client_id, client_secret, method="client_secret_basic"):
    return OAuth2Session(client_id, client_secret, token_endpoint=f"{issuer}/oauth/token", scope="read",
                         token_endpoint_auth_method=method)


def own_token(session):
    return session.fetch_token(grant_type="client_credentials")


def check(style):
    def token():
        return own_token(machine(ISSUER, CLIENT_ID, CLIENT_SECRET, f"client_secret_{style}"))

    def token_of_its_own():
        said = token()
        equal((said["token_type"], said["scope"], said.get("refresh_token")), ("Bearer", "read", None))
        equal(0 < said["expires_in"] <= SECONDS, True)

    def same_token_again():
        equal(token()["access_token"], token()["access_token"])

    def claims_of_the_token():
        access_token = token()["access_token"]
        key = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json").get_signing_key_from_jwt(access_token)
        claims = jwt.decode(access_token, key, algorithms=["RS256"], issuer=ISSUER, audience=AUDIENCE)
        found = [claims.get(name) for name in ("sub", "client_id", "scope", "roles")]
        equal(found, [CLIENT_ID, CLIENT_ID, "read", None])

    def wrong_secret():
        try:
            own_token(machine(ISSUER, CLIENT_ID, "wr:ng%s/cret+", f"client_secret_{style}"))
        except OAuthError as error:
            equal(error.error, "invalid_client")
        else:
            raise AssertionError("it was not refused")

    report = Report("Authlib", "machine client")
    report.check("token of its own", token_of_its_own, style)
    report.check("same token again", same_token_again, style)
    report.check("claims of the token", claims_of_the_token, style)
    report.check("wrong secret", wrong_secret, style)


for name in ("basic", "post"):
    check(name)
