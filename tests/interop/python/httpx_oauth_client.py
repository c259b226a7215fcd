"""httpx-oauth. It has no password grant, so plain httpx gets the first tokens."""

import asyncio

import httpx
from httpx_oauth.oauth2 import OAuth2, OAuth2RequestError, OAuth2Token

import client_checks
from report import CLIENT_ID, CLIENT_SECRET, ISSUER, PASSWORD, TOKEN_ENDPOINT, USERNAME, NotSupported

NO_API = ("its API has no password grant, no scope at a refresh and no introspection: "
          "https://frankie567.github.io/httpx-oauth/reference/httpx_oauth.oauth2/")


def heirloom(issuer, client_id, client_secret, method="client_secret_basic"):
    token_endpoint = f"{issuer}/oauth/token"
    return OAuth2(client_id, client_secret, f"{issuer}/oauth/authorize", token_endpoint,
                  refresh_token_endpoint=token_endpoint, revoke_token_endpoint=f"{issuer}/oauth/revoke",
                  token_endpoint_auth_method=method, revocation_endpoint_auth_method=method)


async def successor(client, token):
    """The token, refreshed if it has expired."""
    return await client.refresh_token(token["refresh_token"]) if token.is_expired() else token


class HttpxOauth(client_checks.Driver):
    library = "httpx-oauth"
    styles = ("basic", "post")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.client = heirloom(ISSUER, self.client_id, self.client_secret, f"client_secret_{self.style}")
        # By default it waits five seconds for an answer.
        self.client.get_httpx_client = lambda: httpx.AsyncClient(timeout=60)
        self.token = {"refresh_token": "none yet"}

    def sign_in(self, scope, password=PASSWORD):
        raise NotSupported(NO_API)

    def begin(self, scope):
        form = {"grant_type": "password", "username": USERNAME, "password": PASSWORD, "scope": scope}
        answer = httpx.post(TOKEN_ENDPOINT, data=form, auth=(self.client_id, self.client_secret), timeout=60)
        self.token = OAuth2Token(answer.raise_for_status().json())
        return self.token

    def ask(self):
        return self.refresh()

    def refresh(self, scope=None, token=None):
        if scope:
            raise NotSupported(NO_API)
        self.token = asyncio.run(self.client.refresh_token(token or self.token["refresh_token"]))
        return self.token

    def access_token(self):
        return self.token["access_token"]

    def call(self, url):
        self.token = asyncio.run(successor(self.client, self.token))
        return get(url, self.access_token()).status_code

    def revoke(self):
        asyncio.run(self.client.revoke_token(self.token["refresh_token"], "refresh_token"))

    def introspect(self):
        raise NotSupported(NO_API)

    def error_of(self, does):
        try:
            return f"no error: {does()}"
        except OAuth2RequestError as error:
            return error.response.json()["error"]


def get(url, token):
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def example():
    session = HttpxOauth("basic", CLIENT_ID, CLIENT_SECRET)
    session.begin("profile")
    session.refresh()
    return get(f"{ISSUER}/oauth/userinfo", session.access_token()).json()


client_checks.run(HttpxOauth, example)
