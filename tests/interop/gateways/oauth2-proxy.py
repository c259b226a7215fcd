"""oauth2-proxy, which checks bearer tokens."""
import subprocess

from gateway import HERE, Gateway, check, template

BINARY = HERE.parent.parent.parent / "target/interop/gateways/oauth2-proxy"
MODULE = "github.com/oauth2-proxy/oauth2-proxy/v7"


def version():
    """The version of the module that it was compiled from."""
    said = subprocess.run(["go", "version", "-m", BINARY], check=True, capture_output=True, text=True).stdout
    return next(words[2] for words in map(str.split, said.splitlines()) if words[:2] == ["mod", MODULE])


def configure(folder, port):
    (folder / "oauth2-proxy.cfg").write_text(template("oauth2-proxy.cfg", port=port))
    return [BINARY, "--config", folder / "oauth2-proxy.cfg"]


check("oauth2-proxy", version(), Gateway(configure))
