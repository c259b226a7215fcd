"""Chromium without a window, by the DevTools protocol over a pipe."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

# How long a page may take, in seconds.
PATIENCE = 60
PROGRAM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]


class Chromium:
    """A running browser; its tabs have cookies of their own."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="heirloom-interop-chromium-")
        its_input, self.output = os.pipe()
        self.input, its_output = os.pipe()
        # It reads from descriptor 3 and writes to descriptor 4.
        script = f'exec "$@" 3<&{its_input} 4>&{its_output}'
        command = ["bash", "-c", script, "bash", PROGRAM, *OPTIONS, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(command, pass_fds=(its_input, its_output), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(its_input)
        os.close(its_output)
        self.asked, self.unread, self.events = 0, b"", []

    def close(self):
        """Ends it with all of its processes."""
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.input)
        os.close(self.output)
        shutil.rmtree(self.profile, ignore_errors=True)

    def tab(self):
        """A tab in a context of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Tab(self, session)

    def call(self, method, session=None, **parameters):
        """Calls a method, and returns its result."""
        self.asked += 1
        message = {"id": self.asked, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            said = self.read(until, method)
            if said.get("id") == self.asked:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return said["result"]
            self.events.append(said)

    def event(self, session, name):
        """Waits for an event of a tab, and returns what came before it, itself the last."""
        until, before = time.monotonic() + PATIENCE, []
        while True:
            said = self.events.pop(0) if self.events else self.read(until, name)
            if said.get("sessionId") == session:
                before.append(said)
                if said.get("method") == name:
                    return before

    def read(self, until, what):
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.input], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self.input, 1 << 16) if ready else b""
            if not more:
                raise RuntimeError(f"Chromium {'is silent' if not ready else 'has ended'}: {what}")
            self.unread += more
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)


class Tab:
    """A page, and what its server answered."""

    def __init__(self, chromium, session):
        self.chromium, self.session, self.status = chromium, session, None
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        return self.chromium.call(method, self.session, **parameters)

    def open(self, url):
        """Opens a URL, and waits until the page is there."""
        self.forget()
        said = self.call("Page.navigate", url=url)
        if said.get("errorText"):
            raise RuntimeError(f"{url}: {said['errorText']}")
        self.wait()

    def run(self, function, *values):
        """Runs a JavaScript function in the page, and returns what it returns."""
        expression = f"({function})(...{json.dumps(values)})"
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(str(said["exceptionDetails"]))
        return said["result"].get("value")

    def forget(self):
        """Forgets the events so far, before something that leads to another page."""
        self.chromium.events = [event for event in self.chromium.events if event.get("sessionId") != self.session]

    def wait(self):
        """Waits until the page is there to which something leads."""
        for event in self.chromium.event(self.session, "Page.loadEventFired"):
            if event["method"] == "Network.responseReceived" and event["params"]["type"] == "Document":
                self.status = event["params"]["response"]["status"]
