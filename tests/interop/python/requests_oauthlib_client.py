"""requests-oauthlib's OAuth2Session."""

import os

import requests
from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

import client_checks
from report import CLIENT_ID, CLIENT_SECRET, ISSUER, PASSWORD, TOKEN_ENDPOINT, USERNAME, NotSupported

# Allows the http issuer on loopback.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def example(issuer, client_id, client_secret, username, password):
    token_endpoint = f"{issuer}/oauth/token"
    credentials = {"client_id": client_id, "client_secret": client_secret}
    session = OAuth2Session(client=LegacyApplicationClient(client_id, scope=["profile"]), auto_refresh_url=token_endpoint,
                            auto_refresh_kwargs=credentials, token_updater=lambda token: None)
    session.fetch_token(token_endpoint, username=username, password=password, client_secret=client_secret)
    # Refreshes when the access token has expired; `token_updater` is told the new tokens.
    return session.get(f"{issuer}/oauth/userinfo").json()


class RequestsOauthlib(client_checks.Driver):
    library = "requests-oauthlib"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        body = {"client_id": self.client_id}
        if self.style == "post":
            body["client_secret"] = self.client_secret
        self.body = {} if self.style == "basic" else body
        self.auth = (self.client_id, self.client_secret) if self.style == "basic" else None
        self.session = OAuth2Session(client=LegacyApplicationClient(self.client_id), auto_refresh_url=TOKEN_ENDPOINT,
                                     auto_refresh_kwargs=self.body, token_updater=lambda token: None)

    def sign_in(self, scope, password=PASSWORD):
        return self.session.fetch_token(TOKEN_ENDPOINT, username=USERNAME, password=password, scope=scope, auth=self.auth,
                                        client_secret=self.client_secret, include_client_id=self.style != "basic")

    def refresh(self, scope=None, token=None):
        self.session.scope = scope
        return self.session.refresh_token(TOKEN_ENDPOINT, refresh_token=token, auth=self.auth)

    def access_token(self):
        return self.session.token["access_token"]

    def call(self, url):
        credentials = {"client_id": self.client_id, "client_secret": self.client_secret} if self.style == "basic" else {}
        return self.session.get(url, **credentials).status_code

    def revoke(self):
        client = LegacyApplicationClient(self.client_id)
        url, headers, body = client.prepare_token_revocation_request(
            f"{ISSUER}/oauth/revoke", self.session.token["refresh_token"], "refresh_token", **self.body)
        requests.post(url, headers=headers, data=body, auth=self.auth, timeout=20).raise_for_status()

    def introspect(self):
        raise NotSupported("requests-oauthlib has no introspection: https://requests-oauthlib.readthedocs.io/en/latest/api.html")

    def error_of(self, does):
        try:
            return f"no error: {does()}"
        except OAuth2Error as error:
            return error.error


client_checks.run(RequestsOauthlib, lambda: example(ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD))
