"""Signs in, lists the sessions, refreshes and signs out, by the client of openapi-python-client."""
import os

from heirloom_client import AuthenticatedClient, Client
from heirloom_client.api.account import list_sessions
from heirloom_client.api.tokens import revoke, token
from heirloom_client.models import (ErrorBody, RevocationRequest, SessionList, TokenBody, TokenRequest,
                                    TokenRequestGrantType)

issuer, client_id = os.environ["ISSUER"], os.environ["CLIENT_ID"]
client = Client(base_url=issuer)


def refresh(refresh_token):
    request = TokenRequest(TokenRequestGrantType.REFRESH_TOKEN, refresh_token=refresh_token, client_id=client_id)
    return token.sync(client=client, body=request)


signed_in = token.sync(client=client, body=TokenRequest(
    TokenRequestGrantType.PASSWORD, username=os.environ["USERNAME"], password=os.environ["PASSWORD"], scope="account",
    client_id=client_id))
assert isinstance(signed_in, TokenBody), signed_in
listed = list_sessions.sync(client=AuthenticatedClient(base_url=issuer, token=signed_in.access_token))
assert isinstance(listed, SessionList) and any(session.client_id == client_id for session in listed.sessions), listed
refreshed = refresh(signed_in.refresh_token)
assert isinstance(refreshed, TokenBody) and refreshed.refresh_token != signed_in.refresh_token, refreshed
revoke.sync(client=client, body=RevocationRequest(token=refreshed.refresh_token, client_id=client_id))
refused = refresh(refreshed.refresh_token)
assert isinstance(refused, ErrorBody) and refused.error == "invalid_grant", refused
