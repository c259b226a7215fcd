"""A FastAPI app whose own page, /docs, signs in at heirloom: fastapi_app.py ISSUER CLIENT_ID SWAGGER_UI_FOLDER"""
import asyncio
import sys
from importlib.metadata import version
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.security import OAuth2PasswordBearer
from fastapi.staticfiles import StaticFiles

issuer, client_id, swagger_ui = sys.argv[1:]
bearer = OAuth2PasswordBearer(tokenUrl=f"{issuer}/oauth/token", scopes={"read": "Read messages", "write": "Write them"})
keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")


def claims(token: Annotated[str, Depends(bearer)]) -> dict:
    try:
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=["RS256"], audience="demo-api", issuer=issuer)
    except jwt.PyJWTError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": "Bearer"}) from error


app = FastAPI(docs_url=None)


@app.get("/messages")
def messages(who: Annotated[dict, Depends(claims)]) -> dict:
    return {"for": who["sub"], "scope": who["scope"]}


# The page's files come from here instead of a CDN.
app.mount("/swagger-ui", StaticFiles(directory=swagger_ui))


@app.get("/docs", include_in_schema=False)
def docs():
    return get_swagger_ui_html(openapi_url="/openapi.json", title="docs", swagger_js_url="/swagger-ui/swagger-ui-bundle.js",
                               swagger_css_url="/swagger-ui/swagger-ui.css", swagger_favicon_url="/swagger-ui/favicon-32x32.png",
                               init_oauth={"clientId": client_id, "scopes": "read"})


async def main():
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    print(port, version("fastapi"), flush=True)
    await serving


asyncio.run(main())
