// An Angular app that signs people in with angular-oauth2-oidc.
import '@angular/compiler'
import { provideHttpClient } from '@angular/common/http'
import { provideZonelessChangeDetection } from '@angular/core'
import { createApplication } from '@angular/platform-browser'
import { OAuthService, provideOAuthClient } from 'angular-oauth2-oidc'

const { injector } = await createApplication({
  providers: [provideHttpClient(), provideOAuthClient(), provideZonelessChangeDetection()],
})
const oauth = injector.get(OAuthService)
const base = window.location.origin
oauth.configure({
  issuer: window.settings.issuer,
  clientId: window.settings.clientId,
  redirectUri: `${base}/callback`,
  postLogoutRedirectUri: `${base}/`,
  responseType: 'code',
  scope: 'openid profile offline_access read',
  requireHttps: false, // for http on loopback alone
})

let error
await oauth.loadDiscoveryDocumentAndTryLogin().catch((reason) => { error = reason })

window.app = {
  signIn: (prompt) => oauth.initCodeFlow('', prompt ? { prompt } : {}),
  refresh: () => oauth.refreshToken(),
  signOut: () => oauth.logOut(),
  async said() {
    if (error) return { error: error.params?.error ?? String(error) }
    const { sub, auth_time } = oauth.getIdentityClaims()
    const { info } = await oauth.loadUserProfile()
    return { access_token: oauth.getAccessToken(), sub, auth_time, name: info.preferred_username }
  },
}
