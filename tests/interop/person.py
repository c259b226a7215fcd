"""A person before Chromium, who answers heirloom's pages."""

import urllib.parse

# More pages than any way has.
STEPS = 20
READ = "() => ({url: location.href, text: document.body ? document.body.textContent : ''})"
# What the person does with a page of heirloom: types, and presses a button. Returns what the page asked.
ANSWER = """(issuer, username, password, refuses) => {
  if (location.origin !== issuer) return null
  for (const form of document.forms) {
    const secret = form.querySelector('input[type=password]')
    const name = form.querySelector('input[name=username]:not([type=hidden])')
    const allow = form.querySelector('button[value=allow]')
    const [asked, button] =
      secret ? ['password', form.querySelector('button')]
      : allow ? ['consent', refuses ? form.querySelector('button[value=deny]') : allow]
      : new URL(form.action).origin !== issuer ? ['', form.querySelector('button')] : [null, null]
    if (asked === null) continue
    if (secret) secret.value = password
    if (secret && name) name.value = username
    button.click()
    return asked
  }
  return null
}"""
LOG_OUT = """() => {
  const form = [...document.forms].find((form) => new URL(form.action).pathname.endsWith('/logout'))
  form.querySelector('button').click()
}"""


class Page:
    """Where a person has arrived."""

    def __init__(self, url, status, text, asked):
        self.url, self.status, self.text = url, status, text
        # What the person was asked on the way: "password", "consent".
        self.asked = asked

    def __repr__(self):
        return f"{self.url} {self.status} {self.text[:500]!r}"


class Person:
    """Cookies of one's own, and who sits before the browser."""

    def __init__(self, chromium, issuer, username, password, refuses=False):
        self.tab, self.issuer = chromium.tab(), issuer
        parts = urllib.parse.urlsplit(issuer)
        self.who = [f"{parts.scheme}://{parts.netloc}", username, password, refuses]

    def go(self, url):
        """Opens a URL, does what heirloom's pages ask, and returns where that ends."""
        self.tab.open(url)
        asked = []
        for _ in range(STEPS):
            self.tab.forget()
            answered = self.tab.run(ANSWER, *self.who)
            if answered is None:
                return self.page(asked)
            asked += [answered] if answered else []
            self.tab.wait()
        raise RuntimeError(f"it goes in a circle: {self.page(asked)}")

    def look(self, url):
        """Opens a URL, and answers nothing."""
        self.tab.open(url)
        return self.page([])

    def log_out(self):
        """Ends the login on heirloom's own pages."""
        self.tab.open(f"{self.issuer}/logout")
        self.tab.forget()
        self.tab.run(LOG_OUT)
        self.tab.wait()
        if self.tab.status != 200:
            raise RuntimeError(f"not signed out: {self.page([])}")

    def page(self, asked):
        said = self.tab.run(READ)
        return Page(said["url"], self.tab.status, said["text"], asked)
