"""Apache with mod_auth_openidc, which signs people in for an application behind it."""

import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import urllib.parse

from application import Application, serve
from gateway import apache, debians

APP = os.environ["HEIRLOOM_APP"]
CANNOT = {
    "password again": "it asks with the parameters of its configuration: OIDCAuthRequestParams",
    "person refuses": "with `iss` beside it (RFC 9207), it takes the error for a sign-in that begins elsewhere",
}


class Behind(Application):
    """Apache tells it by headers who is signed in."""

    access_token = None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        token, sub = self.headers.get("OIDC_access_token"), self.headers.get("OIDC_CLAIM_sub")
        if path == "/login":
            self.answer({"sub": sub, "auth_time": int(self.headers["OIDC_CLAIM_auth_time"]),
                         "name": self.headers["OIDC_CLAIM_preferred_username"]})
        elif path == "/refresh":
            Behind.access_token = token
            self.ask_apache({"refresh": f"{APP}/refreshed", "access_token": token})
        elif path == "/refreshed":
            self.answer({"sub": sub, "changed": token not in (None, Behind.access_token)})
        elif path == "/logout":
            self.ask_apache({"logout": f"{APP}/"})
        elif path == "/about":
            self.answer({"library": "mod_auth_openidc", "version": debians("libapache2-mod-auth-openidc"),
                         "cannot": CANNOT, "told_of_logouts_at": "/callback?logout=backchannel"})
        else:
            self.answer("signed out")

    def ask_apache(self, question):
        """Apache's module does the rest."""
        self.redirect(f"{APP}/callback?{urllib.parse.urlencode(question)}")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with tempfile.TemporaryDirectory(prefix="heirloom-gateway-") as name:
    folder = pathlib.Path(name)
    folder.chmod(0o755)
    start = apache("mod_auth_openidc_sign_in", app=APP, backend=serve(Behind), passphrase=secrets.token_hex(16),
                   client=os.environ["HEIRLOOM_CLIENT_ID"], secret=os.environ["HEIRLOOM_CLIENT_SECRET"],
                   scope=os.environ["HEIRLOOM_APP_SCOPE"])
    command = start(folder, int(os.environ["HEIRLOOM_APP_PORT"]))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            process.wait()
        finally:
            process.terminate()
            print((folder / "log").read_text(errors="replace")[-3000:], file=sys.stderr)
