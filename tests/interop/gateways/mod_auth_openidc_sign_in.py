"""Apache with mod_auth_openidc, which signs people in for an application behind it."""

import http.server
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from gateway import apache, debians, free_port

APP = os.environ["HEIRLOOM_APP"]
CANNOT = {
    "password again": "it asks with the parameters of its configuration: OIDCAuthRequestParams",
    "person refuses": "with `iss` beside it (RFC 9207), it takes the error for a sign-in that begins elsewhere",
}


class Application(http.server.BaseHTTPRequestHandler):
    """Behind Apache, which tells it by headers who is signed in."""

    access_token = None

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        token, sub = self.headers.get("OIDC_access_token"), self.headers.get("OIDC_CLAIM_sub")
        if path == "/login":
            self.answer({"sub": sub, "auth_time": int(self.headers["OIDC_CLAIM_auth_time"]),
                         "name": self.headers["OIDC_CLAIM_preferred_username"]})
        elif path == "/refresh":
            Application.access_token = token
            self.redirect({"refresh": f"{APP}/refreshed", "access_token": token})
        elif path == "/refreshed":
            self.answer({"sub": sub, "changed": token not in (None, Application.access_token)})
        elif path == "/logout":
            self.redirect({"logout": f"{APP}/"})
        elif path == "/about":
            self.answer({"library": "mod_auth_openidc", "version": debians("libapache2-mod-auth-openidc"),
                         "cannot": CANNOT})
        else:
            self.answer("signed out")

    def redirect(self, question):
        """To Apache's module, which does the rest."""
        self.send_response(302)
        self.send_header("Location", f"{APP}/callback?{urllib.parse.urlencode(question)}")
        self.end_headers()

    def answer(self, said):
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
backend = free_port()
server = http.server.ThreadingHTTPServer(("127.0.0.1", backend), Application)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory(prefix="heirloom-gateway-") as name:
    folder = pathlib.Path(name)
    folder.chmod(0o755)
    start = apache("mod_auth_openidc_sign_in", app=APP, backend=backend, passphrase=secrets.token_hex(16),
                   client=os.environ["HEIRLOOM_CLIENT_ID"], secret=os.environ["HEIRLOOM_CLIENT_SECRET"],
                   scope=os.environ["HEIRLOOM_APP_SCOPE"])
    command = start(folder, int(os.environ["HEIRLOOM_APP_PORT"]))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            process.wait()
        finally:
            process.terminate()
            print((folder / "log").read_text(errors="replace")[-3000:], file=sys.stderr)
