"""The MCP SDK: an MCP client that signs in to call an MCP server, which is a resource server here as well. The client was
registered by hand."""

import asyncio
import os
from importlib.metadata import version

import jwt
import uvicorn
from mcp.client.auth.oauth2 import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

ISSUER, BASE = os.environ["HEIRLOOM_ISSUER"], os.environ["HEIRLOOM_APP"]
RESOURCE = f"{BASE}/mcp"  # the audience of heirloom's scopes `read` and `write`
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")
refused = set()  # access tokens that count as expired


class Verifier:
    """What the MCP server verifies access tokens by."""

    async def verify_token(self, token):
        try:
            key = await asyncio.to_thread(keys.get_signing_key_from_jwt, token)
            claims = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, audience=RESOURCE)
        except jwt.PyJWTError:
            return None
        if token in refused:
            return None
        return AccessToken(token=token, client_id=claims["client_id"], scopes=claims["scope"].split(),
                           expires_at=claims["exp"], resource=RESOURCE, subject=claims["sub"])


server = MCPServer("who", token_verifier=Verifier(), auth=AuthSettings(
    issuer_url=ISSUER, resource_server_url=RESOURCE, required_scopes=["read"], validate_token_resource=True))


@server.tool()
def whoami() -> str:
    return get_access_token().subject


class Storage:
    """Where the MCP client keeps its tokens."""

    def __init__(self):
        self.tokens = None
        self.client = OAuthClientInformationFull(
            client_id=os.environ["HEIRLOOM_PUBLIC_CLIENT_ID"], redirect_uris=[f"{BASE}/callback"],
            token_endpoint_auth_method="none")

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """An MCP client of one person, who is sent to heirloom while a call waits."""

    def __init__(self):
        self.storage = Storage()
        self.url, self.answer = asyncio.Future(), asyncio.Future()
        metadata = OAuthClientMetadata(redirect_uris=[f"{BASE}/callback"], scope="read", token_endpoint_auth_method="none")
        self.provider = OAuthClientProvider(RESOURCE, metadata, self.storage, self.redirect, self.answered)

    async def redirect(self, url):
        self.url.set_result(url)

    async def answered(self):
        return await self.answer

    async def whoami(self):
        async with create_mcp_http_client(auth=self.provider) as http:
            async with Client(streamable_http_client(RESOURCE, http_client=http)) as client:
                return (await client.call_tool("whoami")).content[0].text


person, call = None, None


async def login(_):
    global person, call
    person = Person()
    call = asyncio.create_task(person.whoami())
    await asyncio.wait([call, person.url], return_when=asyncio.FIRST_COMPLETED)
    return RedirectResponse(person.url.result())


async def callback(request):
    answer = request.query_params
    if "error" in answer:
        call.cancel()
        return PlainTextResponse(answer["error"], 403)
    person.answer.set_result(AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss")))
    return JSONResponse({"sub": await call})


async def refresh(_):
    before = person.storage.tokens.access_token
    refused.add(before)
    person.provider.context.token_expiry_time = 1  # as if it had expired
    sub = await person.whoami()
    return JSONResponse({"sub": sub, "changed": person.storage.tokens.access_token != before})


async def about(_):
    cannot = {"password again": "it has no `prompt`", "sign out": "it has no sign-out",
              "signed in already": "it asks for `offline_access`, and with that always for `prompt=consent`"}
    return JSONResponse({"library": "mcp", "version": version("mcp"), "cannot": cannot, "knows_names": False})


app = server.streamable_http_app(json_response=True, stateless_http=True)
app.routes.extend(Route(f"/{page.__name__}", page) for page in (login, callback, refresh, about))
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["HEIRLOOM_APP_PORT"]), log_level="info")
