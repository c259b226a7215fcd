// @modelcontextprotocol/sdk: an MCP client that signs in to call an MCP server, which is a resource server here as well.
// The client was registered by hand.
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { serve, settings } from './app.mjs'

const { issuer, publicId, app: base } = settings
const resource = new URL(`${base}/mcp`) // the audience of heirloom's scopes `read` and `write`

// The MCP server.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { timeoutDuration: 60_000 })
let refused // an access token that counts as expired

async function verifyAccessToken(token) {
  if (token === refused) throw new InvalidTokenError('expired')
  const { payload } = await jwtVerify(token, keys, { issuer, audience: resource.href, typ: 'at+jwt' })
  return { token, clientId: payload.client_id, scopes: payload.scope.split(' '), expiresAt: payload.exp, resource, extra: payload }
}

async function server(app) {
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()
  app.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: resource, scopesSupported: ['read'] }))
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource)
  const bearer = requireBearerAuth({ verifier: { verifyAccessToken }, requiredScopes: ['read'], resourceMetadataUrl, expectedResource: resource })
  app.post('/mcp', bearer, express.json(), async (request, response) => {
    const mcp = new McpServer({ name: 'who', version: '1' })
    mcp.registerTool('whoami', {}, async ({ authInfo }) => ({ content: [{ type: 'text', text: authInfo.extra.sub }] }))
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
    await mcp.connect(transport)
    await transport.handleRequest(request, response, request.body)
  })
}

// The MCP client.
class Provider {
  redirectUrl = `${base}/callback`
  clientMetadata = { client_name: 'An MCP client', redirect_uris: [this.redirectUrl], scope: 'read offline_access' }
  clientInformation = () => ({ client_id: publicId })
  tokens = () => this.kept
  saveTokens = (tokens) => { this.kept = tokens }
  redirectToAuthorization = (url) => { this.url = url }
  saveCodeVerifier = (verifier) => { this.verifier = verifier }
  codeVerifier = () => this.verifier
}
let provider

async function whoami() {
  const transport = new StreamableHTTPClientTransport(resource, { authProvider: provider })
  const client = new Client({ name: 'An MCP client', version: '1' })
  await client.connect(transport)
  const { content } = await client.callTool({ name: 'whoami' })
  await client.close()
  return content[0].text
}

async function login(_, response) {
  provider = new Provider()
  try {
    response.json({ sub: await whoami() })
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    response.redirect(provider.url.href)
  }
}

async function callback(request, response) {
  const { code, error, error_description: description } = request.query
  if (error) throw new Error(`${error}: ${description}`)
  await new StreamableHTTPClientTransport(resource, { authProvider: provider }).finishAuth(code)
  response.json({ sub: await whoami() })
}

async function refresh(_, response) {
  const before = provider.tokens()
  refused = before.access_token
  const sub = await whoami()
  response.json({ sub, changed: provider.tokens().access_token !== before.access_token })
}

const cannot = { 'password again': 'it has no `prompt`', 'sign out': 'it has no sign-out' }
await serve('@modelcontextprotocol/sdk', cannot, async (app) => {
  await server(app)
  app.get('/login', login)
  app.get('/callback', callback)
  app.get('/refresh', refresh)
}, { knows_names: false })
