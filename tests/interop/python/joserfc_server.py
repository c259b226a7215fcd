"""joserfc. It does not fetch keys itself, so requests fetches them, with a cache."""

import time

import requests
from cachecontrol import CacheControl
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

import server_checks
from report import ISSUER

# Keeps the keys for as long as heirloom says that it may.
http = CacheControl(requests.Session())


def verified(token, issuer, audience, jwks_uri, **more):
    keys = KeySet.import_key_set(http.get(jwks_uri, timeout=10).json())
    token = jwt.decode(token, keys, algorithms=["RS256"])
    rules = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": audience}}
    jwt.JWTClaimsRegistry(**rules, exp={"essential": True}, **more).validate(token.claims)
    return token.claims


class Joserfc(server_checks.Verifier):
    library = "joserfc"
    refusal = JoseError

    def verify(self, token, **more):
        return verified(token, self.issuer, self.audience, f"{ISSUER}/.well-known/jwks.json", **more)

    def verify_later(self, token):
        return self.verify(token, now=int(time.time()) + 700)


server_checks.run(Joserfc)
