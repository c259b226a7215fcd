"""Authlib's validator of RFC 9068 access tokens."""

import time

import requests
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from cachecontrol import CacheControl
from joserfc.errors import JoseError

import server_checks
from report import ISSUER, TYP, NotSupported


class HeirloomValidator(JWTBearerTokenValidator):
    def __init__(self, issuer, resource_server):
        super().__init__(issuer, resource_server)
        self.jwks_uri = f"{issuer}/.well-known/jwks.json"
        # Keeps the keys for as long as heirloom says that it may.
        self.http = CacheControl(requests.Session())

    def get_jwks(self):
        return self.http.get(self.jwks_uri, timeout=10).json()


class Authlib(server_checks.Verifier):
    library = "Authlib"
    refusal = (InvalidTokenError, JoseError)

    def __init__(self, **others):
        super().__init__(**others)
        self.validator = HeirloomValidator(self.issuer, self.audience)
        self.validator.jwks_uri = f"{ISSUER}/.well-known/jwks.json"

    def verify(self, token):
        try:
            claims = self.validator.authenticate_token(token)
            self.validator.validate_token(claims, ["read"], None, roles=["user"])
            return claims
        except InvalidTokenError as error:
            if TYP == "JWT" and "typ" in str(error.__cause__):
                raise NotSupported("it accepts no other `typ` than RFC 9068 has: "
                                   "https://docs.authlib.org/en/latest/specs/rfc9068.html") from error
            raise

    def verify_later(self, token):
        claims = self.validator.authenticate_token(token)
        claims.validate(now=int(time.time()) + 700)


server_checks.run(Authlib)
