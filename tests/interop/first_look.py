"""Runs the four sign-in programs of the README, by the commands that it shows."""

import os
import pathlib
import re
import subprocess

from server import Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LANGUAGES = ("curl", "Python", "JavaScript", "Rust")
SAYS = "signed in: demo\nrefreshed: demo\n"
# Seconds. One of the commands first compiles everything for release, which takes minutes on a small machine.
PATIENCE = 1800


def run(binary):
    """Returns the languages that passed, and the problems, in words."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"^```console\n((?:\$ .*first_look.*\n){%d})%s```" % (len(LANGUAGES), SAYS), readme, flags=re.M)
    if block is None:
        return [], ["README.md has no block of the first look's commands and what they say"]
    shown = re.search(r"^```python\n(.*?)^```", readme, flags=re.M | re.S)
    problems, passed = [], []
    if shown is None or shown[1] != (ROOT / "examples/first_look/sign_in.py").read_text():
        problems.append("README.md shows another program than examples/first_look/sign_in.py")
    with Server(binary, flags=[]) as server:
        for language, line in zip(LANGUAGES, block[1].splitlines()):
            command = line.removeprefix("$ ").split("  #")[0]
            good = start(command, server.said["user"]["password"], server.said["issuer"])
            wrong = start(command, "not-the-password", server.said["issuer"])
            if (good.returncode, good.stdout) != (0, SAYS):
                problems.append(f"the first look by {language}: {good.stdout}{good.stderr}")
            elif wrong.returncode == 0 or "signed in" in wrong.stdout or "invalid_grant" not in wrong.stdout + wrong.stderr:
                problems.append(f"the first look by {language} with a wrong password: {wrong.stdout}{wrong.stderr}")
            else:
                passed.append(language)
    return passed, problems


def start(command, password, issuer):
    """Runs a command of the README, with the Python that has the libraries installed."""
    path = f"{ROOT / 'target/interop/python/bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run(f"{command.replace('PASSWORD', password)} {issuer}", shell=True, cwd=ROOT, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
