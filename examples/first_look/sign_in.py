# Signs in and refreshes, by Authlib: sign_in.py PASSWORD [ISSUER]
import sys
from authlib.integrations.requests_client import OAuth2Session

password, issuer = [*sys.argv[1:], "http://127.0.0.1:8080"][:2]
session = OAuth2Session("demo-public", token_endpoint=f"{issuer}/oauth/token", scope="profile")
session.fetch_token(username="demo", password=password)
print("signed in:", session.get(f"{issuer}/oauth/userinfo").json()["preferred_username"])
session.refresh_token()  # by itself when the access token is about to expire
print("refreshed:", session.get(f"{issuer}/oauth/userinfo").json()["preferred_username"])
