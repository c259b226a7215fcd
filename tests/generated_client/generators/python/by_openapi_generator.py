"""Signs in, lists the sessions, refreshes and signs out, by openapi-generator's client for Python."""
import os

from openapi_client import AccountApi, ApiClient, ApiException, Configuration, TokensApi

client_id = os.environ["CLIENT_ID"]
configuration = Configuration(host=os.environ["ISSUER"])
client = ApiClient(configuration)
tokens = TokensApi(client)

signed_in = tokens.token("password", username=os.environ["USERNAME"], password=os.environ["PASSWORD"], scope="account",
                         client_id=client_id)
configuration.access_token = signed_in.access_token
sessions = AccountApi(client).list_sessions(limit=10).sessions
assert any(session.current and session.client_id == client_id for session in sessions), sessions
refreshed = tokens.token("refresh_token", refresh_token=signed_in.refresh_token, client_id=client_id)
assert refreshed.refresh_token != signed_in.refresh_token
tokens.revoke(refreshed.refresh_token, client_id=client_id)
try:
    tokens.token("refresh_token", refresh_token=refreshed.refresh_token, client_id=client_id)
    raise AssertionError("still signed in")
except ApiException as error:
    assert error.status == 400 and error.data.error == "invalid_grant", error
