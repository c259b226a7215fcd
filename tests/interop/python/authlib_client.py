"""Authlib's OAuth2Session, on requests; the threads share one session."""

from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.base_client import OAuthError

import client_checks
from report import CLIENT_ID, CLIENT_SECRET, ISSUER, PASSWORD, TOKEN_ENDPOINT, USERNAME, NotSupported


def example(issuer, client_id, client_secret, username, password):
    session = OAuth2Session(client_id, client_secret, token_endpoint=f"{issuer}/oauth/token", scope="profile")
    session.fetch_token(username=username, password=password)
    # Refreshes by itself when the access token is about to expire. Threads may share the session.
    return session.get(f"{issuer}/oauth/userinfo").json()


METHODS = {"basic": "client_secret_basic", "post": "client_secret_post", "none": "none"}


class Authlib(client_checks.Driver):
    library = "Authlib"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        method = METHODS[self.style]
        # The tokens of this test last no longer than Authlib's default leeway.
        self.session = OAuth2Session(self.client_id, self.client_secret, token_endpoint=TOKEN_ENDPOINT, leeway=0,
                                     token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)

    def sign_in(self, scope, password=PASSWORD):
        return self.session.fetch_token(username=USERNAME, password=password, scope=scope)

    def refresh(self, scope=None, token=None):
        return self.session.refresh_token(refresh_token=token, **({"scope": scope} if scope else {}))

    def access_token(self):
        return self.session.token["access_token"]

    def call(self, url):
        return self.session.get(url).status_code

    def revoke(self):
        token = self.session.token["refresh_token"]
        self.session.revoke_token(f"{ISSUER}/oauth/revoke", token=token).raise_for_status()

    def introspect(self):
        if self.style == "none":
            raise NotSupported("heirloom lets no public client introspect (RFC 7662 §2.1)")
        token = self.session.token["refresh_token"]
        return self.session.introspect_token(f"{ISSUER}/oauth/introspect", token=token).json()

    def error_of(self, does):
        try:
            return f"no error: {does()}"
        except OAuthError as error:
            return error.error


client_checks.run(Authlib, lambda: example(ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD))
