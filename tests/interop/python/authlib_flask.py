"""Authlib's integration for Flask: an app that signs people in."""

import os
from importlib.metadata import version

from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask, redirect, request, session, url_for

ISSUER, BASE = os.environ["HEIRLOOM_ISSUER"], os.environ["HEIRLOOM_APP"]

app = Flask(__name__)
app.secret_key = os.urandom(32)
app.config["SERVER_NAME"] = BASE.removeprefix("http://")
# By `sub`; they do not fit into Flask's cookie. An app keeps them in its database.
tokens = {}


def keep(_name, token, refresh_token=None, access_token=None):
    """Authlib has refreshed."""
    tokens[session["sub"]] = {**tokens[session["sub"]], **token}


oauth = OAuth(app, update_token=keep)
oauth.register(
    "heirloom",
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_id=os.environ["HEIRLOOM_CLIENT_ID"],
    client_secret=os.environ["HEIRLOOM_CLIENT_SECRET"],
    client_kwargs={"scope": os.environ["HEIRLOOM_APP_SCOPE"], "code_challenge_method": "S256"},
)


@app.get("/login")
def login():
    return oauth.heirloom.authorize_redirect(url_for("callback", _external=True), **request.args)


@app.get("/callback")
def callback():
    token = oauth.heirloom.authorize_access_token()  # verifies the ID token and its nonce
    claims, user = token["userinfo"], oauth.heirloom.userinfo(token=token)
    session["sub"] = claims["sub"]
    tokens[claims["sub"]] = token
    return {"sub": claims["sub"], "auth_time": claims["auth_time"], "name": user["preferred_username"]}


@app.get("/refresh")
def refresh():
    token = tokens[session["sub"]]
    # As if it had expired: Authlib refreshes before it calls, and tells `keep`.
    user = oauth.heirloom.userinfo(token={**token, "expires_at": 1})
    return {"sub": user["sub"], "changed": tokens[session["sub"]]["access_token"] != token["access_token"]}


@app.get("/logout")
def logout():
    hint = tokens.pop(session.pop("sub"))["id_token"]
    return oauth.heirloom.logout_redirect(post_logout_redirect_uri=f"{BASE}/", id_token_hint=hint)


@app.errorhandler(OAuthError)
def refused(error):
    return {"error": error.error, "description": error.description}, 403


@app.get("/")
def start():
    return "signed out"


@app.get("/about")
def about():
    return {"library": "Authlib", "version": version("Authlib")}


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["HEIRLOOM_APP_PORT"]))
