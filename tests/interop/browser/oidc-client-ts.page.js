// What an app does with oidc-client-ts.
import { UserManager } from 'oidc-client-ts'

const manager = new UserManager({
  authority: window.settings.issuer,
  client_id: window.settings.clientId,
  scope: 'profile read write',
  loadUserInfo: true,
  // The library wants one, and has no use for it here.
  redirect_uri: window.location.origin,
})

window.app = {
  async signIn(username, password) {
    const user = await manager.signinResourceOwnerCredentials({ username, password })
    return said(user)
  },
  refresh: async () => said(await manager.signinSilent()),
  signOut: () => manager.revokeTokens(),
}

const said = ({ access_token, refresh_token, scopes, expires_in, profile }) =>
  ({ access_token, refresh_token, scopes, expires_in, name: profile.preferred_username })
