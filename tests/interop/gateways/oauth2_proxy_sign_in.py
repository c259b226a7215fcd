"""oauth2-proxy, which signs people in for an application behind it."""

import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

from application import Application, serve
from gateway import ISSUER, read, template
from oauth2_proxy import BINARY, version

APP = os.environ["HEIRLOOM_APP"]
CANNOT = {"password again": "it asks with the parameters of its configuration: `prompt`"}


class Behind(Application):
    """Gets the ID token as `Authorization`, and the rest by headers."""

    access_token = None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        id_token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        token, sub = self.headers.get("X-Forwarded-Access-Token"), self.headers.get("X-Forwarded-User")
        if path == "/login":
            self.answer({"sub": sub, "auth_time": read(id_token.split(".")[1])["auth_time"],
                         "name": self.headers["X-Forwarded-Preferred-Username"]})
        elif path == "/refresh":
            Behind.access_token = token
            # Older than `cookie_refresh`; ages are whole seconds.
            time.sleep(2.1)
            self.redirect(f"{APP}/refreshed")
        elif path == "/refreshed":
            self.answer({"sub": sub, "changed": token not in (None, Behind.access_token)})
        elif path == "/logout":
            question = {"id_token_hint": id_token, "post_logout_redirect_uri": f"{APP}/"}
            after = f"{ISSUER}/oauth/logout?{urllib.parse.urlencode(question)}"
            self.redirect(f"{APP}/oauth2/sign_out?{urllib.parse.urlencode({'rd': after})}")
        elif path == "/about":
            self.answer({"library": "oauth2-proxy", "version": version(), "cannot": CANNOT})
        else:
            self.answer("signed out")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with tempfile.TemporaryDirectory(prefix="heirloom-gateway-") as name:
    file = pathlib.Path(name) / "oauth2-proxy.cfg"
    file.write_text(template("oauth2_proxy_sign_in.cfg", app=APP, port=os.environ["HEIRLOOM_APP_PORT"], backend=serve(Behind),
                             passphrase=secrets.token_hex(16), client=os.environ["HEIRLOOM_CLIENT_ID"],
                             secret=os.environ["HEIRLOOM_CLIENT_SECRET"], scope=os.environ["HEIRLOOM_APP_SCOPE"],
                             host=urllib.parse.urlsplit(ISSUER).netloc))
    with subprocess.Popen([BINARY, "--config", file], stdin=subprocess.DEVNULL) as process:
        try:
            process.wait()
        finally:
            process.terminate()
