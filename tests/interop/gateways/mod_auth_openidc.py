"""Apache with mod_auth_openidc, as a resource server."""
import pathlib
import tempfile

from gateway import Gateway, apache, check, debians
from tls import served

with tempfile.TemporaryDirectory(prefix="heirloom-gateway-") as folder:
    pathlib.Path(folder).chmod(0o755)
    with served(pathlib.Path(folder)) as (jwks, certificate):
        check("mod_auth_openidc", debians("libapache2-mod-auth-openidc"),
              Gateway(apache("mod_auth_openidc", jwks=jwks, certificate=certificate)))
