"""The program oauth2-proxy, which `setup` has compiled."""
import subprocess

from gateway import HERE

BINARY = HERE.parent.parent.parent / "target/interop/gateways/oauth2-proxy"
MODULE = "github.com/oauth2-proxy/oauth2-proxy/v7"


def version():
    """The version of the module that it was compiled from."""
    said = subprocess.run(["go", "version", "-m", BINARY], check=True, capture_output=True, text=True).stdout
    return next(words[2] for words in map(str.split, said.splitlines()) if words[:2] == ["mod", MODULE])
