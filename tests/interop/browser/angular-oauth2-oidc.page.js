// What an Angular app does with angular-oauth2-oidc.
import '@angular/compiler'
import { provideHttpClient } from '@angular/common/http'
import { provideZonelessChangeDetection } from '@angular/core'
import { createApplication } from '@angular/platform-browser'
import { OAuthService, provideOAuthClient } from 'angular-oauth2-oidc'

const { injector } = await createApplication({
  providers: [provideHttpClient(), provideOAuthClient(), provideZonelessChangeDetection()],
})
const oauth = injector.get(OAuthService)
oauth.configure({
  issuer: window.settings.issuer,
  clientId: window.settings.clientId,
  scope: 'profile read write',
  requireHttps: false, // for http on loopback alone
  oidc: false,
})

window.app = {
  async signIn(username, password) {
    await oauth.loadDiscoveryDocument()
    await oauth.fetchTokenUsingPasswordFlow(username, password)
    const { info } = await oauth.loadUserProfile()
    return { ...said(), name: info.preferred_username }
  },
  async refresh() {
    await oauth.refreshToken()
    return said()
  },
  signOut: () => oauth.revokeTokenAndLogout(),
}

const said = () => ({
  access_token: oauth.getAccessToken(),
  refresh_token: oauth.getRefreshToken(),
  scopes: oauth.getGrantedScopes(),
  expires_in: Math.round((oauth.getAccessTokenExpiration() - Date.now()) / 1000),
})
