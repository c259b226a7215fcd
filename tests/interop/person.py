"""A person with a browser that runs no script: keeps cookies, follows redirects, and answers heirloom's pages."""

import html.parser
import http.client
import http.cookies
import urllib.parse

# More redirects and pages than any way has.
STEPS = 20
PATIENCE = 60


class Page:
    """Where a person has arrived."""

    def __init__(self, url, status, headers, text, asked):
        self.url, self.status, self.headers, self.text = url, status, headers, text
        # What the person was asked on the way: "password", "consent".
        self.asked = asked

    def __repr__(self):
        return f"{self.url} {self.status} {self.text[:500]!r}"


class Person:
    """A browser of its own, and who sits before it."""

    def __init__(self, issuer, username, password, refuses=False):
        self.issuer = urllib.parse.urlsplit(issuer)
        self.username, self.password, self.refuses = username, password, refuses
        # By host (browsers do not tell ports apart), then by name and path.
        self.jar = {}

    def go(self, url):
        """Opens a URL, does what heirloom's pages ask, and returns where that ends."""
        asked, method, form, origin = [], "GET", None, None
        for _ in range(STEPS):
            status, headers, text = self.send(method, url, form, origin)
            if status in (301, 302, 303, 307, 308):
                url = urllib.parse.urljoin(url, headers["location"])
                method, form, origin = "GET", None, None
                continue
            answer = self.answer(url, headers, text)
            if answer is None:
                return Page(url, status, headers, text, asked)
            kind, target, fields = answer
            asked += [kind] if kind else []
            method, form, origin = "POST", fields, origin_of(url)
            url = target
        raise RuntimeError(f"it goes in a circle at {url}")

    def log_out(self):
        """Ends the login on heirloom's own pages."""
        page = self.go(f"{self.issuer.geturl()}/logout")
        form = next(form for form in forms(page.text) if form.action.endswith("/logout"))
        target = urllib.parse.urljoin(page.url, form.action)
        status, _, text = self.send("POST", target, form.fields, origin_of(page.url))
        if status not in (200, 303):
            raise RuntimeError(f"not signed out: {status} {text[:500]!r}")

    def answer(self, url, headers, text):
        """What the person does with a page of heirloom: what it asked, where that is sent, and the fields."""
        is_own = urllib.parse.urlsplit(url)[:2] == self.issuer[:2]
        if not is_own or not headers.get("content-type", "").startswith("text/html"):
            return None
        for form in forms(text):
            target = urllib.parse.urljoin(url, form.action)
            fields, values = dict(form.fields), form.buttons.get("action", [])
            if "password" in form.kinds.values():
                fields["password"] = self.password
                if form.kinds.get("username") == "text":
                    fields["username"] = self.username
                return "password", target, {**fields, "action": values[0]} if values else fields
            if "allow" in values:
                return "consent", target, {**fields, "action": "deny" if self.refuses else "allow"}
            if urllib.parse.urlsplit(target)[:2] != self.issuer[:2]:
                return None, target, fields
        return None

    def send(self, method, url, form, origin):
        """One request."""
        parts = urllib.parse.urlsplit(url)
        headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate"}
        if origin:
            headers |= {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded",
                        "Sec-Fetch-Site": "same-origin" if origin == origin_of(url) else "cross-site"}
        cookies = [f"{name}={value}" for (name, path), value in self.jar.get(parts.hostname, {}).items()
                   if parts.path.startswith(path)]
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=PATIENCE)
        try:
            target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request(method, target, urllib.parse.urlencode(form) if form is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            self.keep(parts.hostname, answer.headers.get_all("set-cookie") or [])
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, text
        finally:
            connection.close()

    def keep(self, host, headers):
        jar = self.jar.setdefault(host, {})
        for header in headers:
            for name, cookie in http.cookies.SimpleCookie(header).items():
                at = (name, cookie["path"] or "/")
                if cookie["max-age"] == "0" or "1970" in cookie["expires"]:
                    jar.pop(at, None)
                else:
                    jar[at] = cookie.coded_value


def origin_of(url):
    return "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))


class Form:
    def __init__(self, action):
        self.action, self.fields, self.kinds, self.buttons = action, {}, {}, {}


class Reader(html.parser.HTMLParser):
    """Finds the forms of a page."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.open = None

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag == "form":
            self.open = Form(at.get("action") or "")
            self.found.append(self.open)
        elif self.open is None:
            return
        elif tag == "button":
            self.open.buttons.setdefault(at.get("name"), []).append(at.get("value") or "")
        elif tag == "input" and at.get("name"):
            kind = at.get("type", "text")
            self.open.kinds[at["name"]] = kind
            if kind not in ("checkbox", "radio", "submit") or "checked" in at:
                self.open.fields[at["name"]] = at.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = None


def forms(text):
    """The forms of a page, in order."""
    reader = Reader()
    reader.feed(text)
    return reader.found
