// Starts Swagger UI. It asks nobody but the server that this page comes from.
(() => {
  const place = document.getElementById('docs')
  const { clientId, username } = place.dataset
  const specification = new URL('openapi.json', document.baseURI)

  // Swagger UI's own dark colours, as the browser asks for them.
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const colour = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
  dark.addEventListener('change', colour)
  colour()

  const guide = `

To try an endpoint out, **Authorize** first. Of the four forms there you need one, the first, \`user (OAuth2, authorizationCode with PKCE)\`: it
opens heirloom's own page, where a user signs in, and sends the access token with every request. Tick the scopes that you want:
\`account\` for your own account, \`admin\` for administration. The client must be registered with this page's redirect URI, which is
this page's address with \`/oauth2-redirect\` behind it. The second form does the same with a password, for clients that may
still use it. \`access_token\` takes an access token that you have already, \`client_basic\` the id and the secret of a confidential client for the
token endpoints.${clientId ? ' The terminal that this demo runs in shows its users, passwords and clients.' : ''}

An open lock: nothing would be sent with the request yet. A closed one: what you authorized is sent. No lock: nothing is needed.`
  const forms = {
    user: 'It signs a user in, and sends the access token with every request. Use the form with authorizationCode, if the client has this page as a redirect URI; the form with password shows the password to the client. A public client has no secret.',
    access_token: 'Instead of `user`: an access token that you have already.',
    client_basic: 'For the token endpoints only: the `client_id` and the secret of a confidential client.',
  }

  // The server is the one that this page comes from, by whatever name: the page may ask no other.
  const absolute = (text) => {
    const said = JSON.parse(text)
    const at = (relative) => new URL(relative, specification).href
    said.servers = [{ url: at('.').replace(/\/$/, '') }]
    for (const { flows = {} } of Object.values(said.components.securitySchemes)) {
      for (const flow of Object.values(flows)) {
        Object.assign(flow, { tokenUrl: at(flow.tokenUrl), refreshUrl: at(flow.refreshUrl) })
        if (flow.authorizationUrl) flow.authorizationUrl = at(flow.authorizationUrl)
      }
    }
    said.info.description += guide
    for (const [name, description] of Object.entries(forms)) Object.assign(said.components.securitySchemes[name] ?? {}, { description })
    if (clientId) demonstrate(said.components.schemas)
    return JSON.stringify(said)
  }
  // The forms of the token endpoint begin with the demo, too.
  const demonstrate = ({ TokenRequest, RevocationRequest }) => {
    const { client_id: client, username: user, password, scope } = TokenRequest.properties
    for (const field of [client, RevocationRequest.properties.client_id]) field.example = clientId
    Object.assign(user, { example: username })
    for (const field of [password, scope]) field.example = ''
  }
  const inPlace = {
    statePlugins: { spec: { wrapActions: { updateSpec: (update) => (text) => update(absolute(text)) } } },
  }

  // A lock is closed when something is sent. That an operation can do without it does not close it.
  const locks = {
    statePlugins: {
      auth: {
        wrapSelectors: {
          isAuthorized: (isAuthorized) => (_, ways) => isAuthorized(ways?.filter((way) => way.size > 0)),
        },
      },
    },
  }

  // The form under "Authorize" begins with the demo's user, where there is one.
  const filledIn = {
    wrapComponents: {
      oauth2: (Oauth2) => class extends Oauth2 {
        constructor(...args) {
          super(...args)
          this.state = { ...this.state, username: this.state.username || username }
        }

        componentDidMount() {
          this.showUsername()
          // Every field of the dialog wants to be the first: this one is.
          requestAnimationFrame(() => place.querySelector('#client_id_authorizationCode')?.focus())
        }

        componentDidUpdate() { this.showUsername() }

        // The field tells the state what is typed, but does not show what the state has.
        showUsername() {
          const field = place.querySelector('#oauth_username')
          if (field !== null && field.value !== this.state.username) field.value = this.state.username
        }
      },
    },
  }

  const ui = SwaggerUIBundle({
    url: specification.href,
    domNode: place,
    plugins: [inPlace, locks, filledIn],
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: 'list',
    oauth2RedirectUrl: new URL('docs/oauth2-redirect', document.baseURI).href,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    // On a refused `Basic`, a browser would ask for a password in a window of its own if cookies were allowed.
    requestInterceptor: (request) => {
      if (/^basic /i.test(request.headers?.Authorization ?? '')) request.credentials = 'omit'
      return request
    },
  })
  // RFC 7636: without a challenge heirloom gives no code.
  const pkce = { usePkceWithAuthorizationCodeGrant: true }
  ui.initOAuth(clientId ? { ...pkce, clientId, scopes: ['account', 'profile'] } : pkce)
})()
