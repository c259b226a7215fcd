"""Runs `heirloom dev` on a folder of its own, for one program."""

import base64
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

CLIENT = ("my-web_app", "s:e%c/r-t")
# How long the server may take to start and to stop.
PATIENCE = 120
# Requests to loopback never use a proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, form=None, bearer=None, body=None, method=None):
    """Sends a GET, or a POST of a form or of JSON, and returns the JSON of a 2xx answer."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    with DIRECT.open(urllib.request.Request(url, data=data, headers=headers, method=method), timeout=PATIENCE) as answer:
        return json.load(answer)


def sign_in(issuer, client, username, password, scope):
    """Signs in with a public client, and returns the token answer."""
    form = {"grant_type": "password", "client_id": client, "username": username, "password": password, "scope": scope}
    return ask(f"{issuer}/oauth/token", form)


def kid_of(token):
    """The id of the key that signed an access token."""
    header = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


class Server:
    """A server that runs during the `with` block."""

    def __init__(self, binary, flags, access_token=600, typ="at+jwt", audience="demo-api"):
        self.binary = binary
        self.access_token = access_token
        self.typ = typ
        self.audience = audience
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="heirloom-interop-"))
        self.log = self.folder / "log"
        command = [binary, "dev", "--json", "--port", "0", "--data", self.folder,
                   "--client-id", CLIENT[0], "--client-secret", CLIENT[1],
                   "--access-token", str(access_token), "--typ", typ, "--audience", audience, *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            self.said = json.loads(self.first_line())
        except (ValueError, OSError) as error:
            complaints = self.log.read_text(errors="replace")
            self.stop()
            raise RuntimeError(f"{binary} dev did not start: {error}\n{complaints}") from error

    def first_line(self):
        """The line that it prints once it listens; nothing if that takes too long."""
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            return self.process.stdout.readline()
        finally:
            timer.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self):
        """The environment variables of a program."""
        said = self.said
        rotate = [sys.executable, str(pathlib.Path(__file__).with_name("rotate.py")), str(self.binary), str(self.folder)]
        return {
            **os.environ,
            "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
            "HEIRLOOM_ISSUER": said["issuer"],
            "HEIRLOOM_CLIENT_ID": CLIENT[0],
            "HEIRLOOM_CLIENT_SECRET": CLIENT[1],
            "HEIRLOOM_PUBLIC_CLIENT_ID": said["public_client"]["client_id"],
            "HEIRLOOM_USERNAME": said["user"]["username"],
            "HEIRLOOM_PASSWORD": said["user"]["password"],
            "HEIRLOOM_ADMIN": said["admin"]["username"],
            "HEIRLOOM_ADMIN_PASSWORD": said["admin"]["password"],
            "HEIRLOOM_AUDIENCE": self.audience,
            "HEIRLOOM_ACCESS_TOKEN_SECONDS": str(self.access_token),
            "HEIRLOOM_TYP": self.typ,
            "HEIRLOOM_ROTATE": shlex.join(rotate),
        }

    def administrator(self):
        """An access token for the administration."""
        said = self.said
        client, admin = said["public_client"]["client_id"], said["admin"]
        return sign_in(said["issuer"], client, admin["username"], admin["password"], "admin")["access_token"]

    def broken_lines(self):
        """What the program did wrong, by the log of events: it used a token again when it should not have, or the
        generations of a family are not one line."""
        issuer, token = self.said["issuer"], self.administrator()
        found, generations, after = [], {}, 0
        while after is not None:
            page = ask(f"{issuer}/admin/events?limit=100&after={after}", bearer=token)
            for event in page["events"]:
                stream, data = event.get("stream"), event["data"]
                if event["type"] in ("reuse_detected", "foreign_client_refused"):
                    found.append(f"{event['type']} in {stream}: {json.dumps(data)}")
                elif event["type"] == "session_ended" and data["reason"] != "logout":
                    found.append(f"{stream} ended by {data['reason']}")
                elif event["type"] == "tokens_rotated":
                    expected = generations.get(stream, 0) + 1
                    if data["generation"] != expected:
                        found.append(f"{stream} went on with generation {data['generation']}, not {expected}")
                    generations[stream] = data["generation"]
            after = page.get("next")
        return found
