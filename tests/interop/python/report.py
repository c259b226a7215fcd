"""The environment variables of a program, and how it prints its results."""

import base64
import json
import os
import traceback
from importlib.metadata import version

ISSUER = os.environ["HEIRLOOM_ISSUER"]
TOKEN_ENDPOINT = f"{ISSUER}/oauth/token"
CLIENT_ID, CLIENT_SECRET = os.environ["HEIRLOOM_CLIENT_ID"], os.environ["HEIRLOOM_CLIENT_SECRET"]
PUBLIC_CLIENT_ID = os.environ["HEIRLOOM_PUBLIC_CLIENT_ID"]
USERNAME, PASSWORD = os.environ["HEIRLOOM_USERNAME"], os.environ["HEIRLOOM_PASSWORD"]
AUDIENCE = os.environ["HEIRLOOM_AUDIENCE"]
SECONDS = int(os.environ["HEIRLOOM_ACCESS_TOKEN_SECONDS"])
TYP = os.environ["HEIRLOOM_TYP"]


class NotSupported(Exception):
    """The library has no API for a check; the text says where its documentation shows that."""


class Report:
    """The results of one library in one role."""

    def __init__(self, library, role):
        self.said = {"library": library, "version": version(library), "as": role}

    def check(self, name, does, style=None):
        """Runs a check, and prints its result."""
        said = {**self.said, **({"style": style} if style else {}), "check": name}
        try:
            does()
            said["result"] = "passed"
        except NotSupported as reason:
            said |= {"result": "not supported", "note": str(reason)}
        except Exception as error:
            traceback.print_exc()
            said |= {"result": "failed", "note": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


def claims(token):
    """The claims of an access token, unverified."""
    return part(token, 1)


def part(token, number):
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r}, not {expected!r}")
