// An app that signs people in with oidc-client-ts.
import { UserManager } from 'oidc-client-ts'

const base = window.location.origin
const manager = new UserManager({
  authority: window.settings.issuer,
  client_id: window.settings.clientId,
  redirect_uri: `${base}/callback`,
  post_logout_redirect_uri: `${base}/`,
  scope: 'openid profile offline_access read',
  filterProtocolClaims: false, // keeps auth_time
  loadUserInfo: true,
})

let error
if (window.location.pathname === '/callback') {
  await manager.signinCallback().catch((reason) => { error = reason })
}

window.app = {
  signIn: (prompt) => manager.signinRedirect({ prompt }),
  refresh: () => manager.signinSilent(), // by the refresh token
  signOut: () => manager.signoutRedirect(),
  async said() {
    if (error) return { error: error.error ?? String(error) }
    const { access_token, profile } = await manager.getUser()
    return { access_token, sub: profile.sub, auth_time: profile.auth_time, name: profile.preferred_username }
  },
}
