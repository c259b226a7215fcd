"""Makes a new signing key, and returns when it is published and signs: `rotate.py BINARY FOLDER`. The programs of resource
servers run it by `$HEIRLOOM_ROTATE`."""

import os
import subprocess
import sys
import time

from server import PATIENCE, ask, kid_of, sign_in


def main():
    binary, folder = sys.argv[1:]
    issuer = os.environ["HEIRLOOM_ISSUER"]
    user = [os.environ[f"HEIRLOOM_{name}"] for name in ("PUBLIC_CLIENT_ID", "USERNAME", "PASSWORD")]

    def published():
        return {key["kid"] for key in ask(f"{issuer}/.well-known/jwks.json")["keys"]}

    before = published()
    subprocess.run([binary, "keys", "rotate", "--data", folder], check=True, stdout=sys.stderr, timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        new = published() - before
        if new and kid_of(sign_in(issuer, *user, "read")["access_token"]) in new:
            if not before <= published():
                sys.exit("the old key is gone")
            return
        time.sleep(0.2)
    sys.exit(f"no new key signs after {PATIENCE} seconds")


main()
