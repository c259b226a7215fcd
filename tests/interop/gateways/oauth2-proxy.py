"""oauth2-proxy, which checks bearer tokens."""
from gateway import Gateway, check, template
from oauth2_proxy import BINARY, version


def configure(folder, port):
    (folder / "oauth2-proxy.cfg").write_text(template("oauth2-proxy.cfg", port=port))
    return [BINARY, "--config", folder / "oauth2-proxy.cfg"]


check("oauth2-proxy", version(), Gateway(configure))
