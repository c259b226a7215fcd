"""PyJWT with its PyJWKClient."""

import datetime

import jwt

import server_checks
from report import ISSUER


def verified(keys, token, issuer, audience, **more):
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audience, **more)


class PyJwt(server_checks.Verifier):
    library = "PyJWT"
    refusal = jwt.InvalidTokenError

    def __init__(self, **others):
        super().__init__(**others)
        # In the test a new key signs at once. By default PyJWT looks for an unknown key only 30 seconds after its last request.
        self.keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", cooldown_duration=0)

    def verify(self, token):
        return verified(self.keys, token, self.issuer, self.audience)

    def verify_later(self, token):
        return verified(self.keys, token, self.issuer, self.audience, leeway=datetime.timedelta(seconds=-700))


server_checks.run(PyJwt)
