"""Dovecot's authentication, by the protocol that its mail services use to pass on a client's SASL exchange."""
import base64
import json
import os
import socket
import urllib.parse
import urllib.request

from gateway import DIRECT, ISSUER, PATIENCE, Gateway, access_token, check, debians, template

USERNAME = os.environ["HEIRLOOM_USERNAME"]
CLIENT = {"id": "mail", "type": "confidential", "grants": [], "introspects": [os.environ["HEIRLOOM_AUDIENCE"]],
          "introspects_usernames": True}


def register():
    """Registers Dovecot as a client, and returns its secret."""
    token = access_token("admin", os.environ["HEIRLOOM_ADMIN"], os.environ["HEIRLOOM_ADMIN_PASSWORD"])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{ISSUER}/admin/clients", json.dumps(CLIENT).encode(), headers)
    with DIRECT.open(request, timeout=PATIENCE) as answer:
        return json.load(answer)["client_secret"]


class Dovecot(Gateway):
    def __init__(self, secret):
        super().__init__(self.configured)
        parts = urllib.parse.urlsplit(f"{ISSUER}/oauth/introspect")
        self.introspection = parts._replace(netloc=f"{CLIENT['id']}:{secret}@{parts.netloc}").geturl()

    def configured(self, folder, port):
        (folder / "dovecot.conf").write_text(template("dovecot.conf", folder=folder, port=port))
        (folder / "oauth2.conf").write_text(template("dovecot-oauth2.conf", introspection=self.introspection))
        return ["/usr/sbin/dovecot", "-F", "-c", folder / "dovecot.conf"]

    def ask(self, token):
        """The result as an HTTP status: 200, or 401 for an exchange that failed."""
        response = f"n,a={USERNAME},\x01auth=Bearer {token or ''}\x01\x01".encode()
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as auth, auth.makefile("rw", newline="\n") as lines:
            def send(*words):
                lines.write("\t".join(words) + "\n")
                lines.flush()

            send("VERSION", "1", "1")
            send("CPID", str(os.getpid()))
            # Without a penalty it answers at once, even after refusals.
            send("AUTH", "1", "OAUTHBEARER", "service=imap", "secured", "no-penalty", f"resp={base64.b64encode(response).decode()}")
            for line in lines:
                word, *rest = line.rstrip("\n").split("\t")
                if word == "CONT":
                    # The reason of the failure, which the client must acknowledge.
                    send("CONT", "1", base64.b64encode(b"\x01").decode())
                elif word in ("OK", "FAIL"):
                    if word == "OK" and f"user={USERNAME}" not in rest:
                        raise AssertionError(f"it let in another: {line!r}")
                    return 200 if word == "OK" else 401
        raise AssertionError("it hung up")


check("Dovecot", debians("dovecot-core"), Dovecot(register()))
