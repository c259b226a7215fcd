"""Plain httpx, with an `httpx.Auth` that refreshes."""

import httpx

import client_checks
from report import CLIENT_ID, CLIENT_SECRET, ISSUER, PASSWORD, USERNAME, NotSupported


class Tokens(httpx.Auth):
    """Signs a user in, and refreshes when an access token is refused."""

    requires_response_body = True

    def __init__(self, issuer, credentials):
        self.credentials = credentials
        self.client = httpx.Client(base_url=f"{issuer}/oauth/", timeout=60)
        self.token = {}

    def fetch(self, **form):
        form, auth = self.authenticated(form)
        answer = self.client.post("token", data=form, auth=auth)
        answer.raise_for_status()
        self.token = answer.json()
        return self.token

    def authenticated(self, form):
        client_id, client_secret = self.credentials
        if client_secret is None:
            return {**form, "client_id": client_id}, None
        return form, (client_id, client_secret)

    def auth_flow(self, request):
        refresh_token = self.token["refresh_token"]
        request.headers["Authorization"] = f"Bearer {self.token['access_token']}"
        answer = yield request
        if answer.status_code == 401:
            self.fetch(grant_type="refresh_token", refresh_token=refresh_token)
            request.headers["Authorization"] = f"Bearer {self.token['access_token']}"
            yield request


def example(issuer, client_id, client_secret, username, password):
    tokens = Tokens(issuer, (client_id, client_secret))
    tokens.fetch(grant_type="password", username=username, password=password, scope="profile")
    return httpx.get(f"{issuer}/oauth/userinfo", auth=tokens, timeout=60).json()


class PostTokens(Tokens):
    """With the secret in the body."""

    def authenticated(self, form):
        client_id, client_secret = self.credentials
        return {**form, "client_id": client_id, "client_secret": client_secret}, None


class Httpx(client_checks.Driver):
    library = "httpx"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        kind = PostTokens if self.style == "post" else Tokens
        self.tokens = kind(ISSUER, (self.client_id, self.client_secret))

    def sign_in(self, scope, password=PASSWORD):
        return self.tokens.fetch(grant_type="password", username=USERNAME, password=password, scope=scope)

    def refresh(self, scope=None, token=None):
        form = {"refresh_token": token or self.tokens.token["refresh_token"], **({"scope": scope} if scope else {})}
        return self.tokens.fetch(grant_type="refresh_token", **form)

    def access_token(self):
        return self.tokens.token["access_token"]

    def call(self, url):
        return httpx.get(url, auth=self.tokens, timeout=60).status_code

    def post(self, path):
        form, auth = self.tokens.authenticated({"token": self.tokens.token["refresh_token"]})
        answer = self.tokens.client.post(path, data=form, auth=auth)
        answer.raise_for_status()
        return answer

    def revoke(self):
        self.post("revoke")

    def introspect(self):
        if self.style == "none":
            raise NotSupported("heirloom lets no public client introspect (RFC 7662 §2.1)")
        return self.post("introspect").json()

    def error_of(self, does):
        try:
            return f"no error: {does()}"
        except httpx.HTTPStatusError as error:
            return error.response.json()["error"]


client_checks.run(Httpx, lambda: example(ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD))
