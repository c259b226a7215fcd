// passport-openidconnect in an Express app. It knows neither discovery nor PKCE.
import passport from 'passport'
import { Strategy } from 'passport-openidconnect'
import { serve, settings } from './app.mjs'

const { issuer, idWithoutPkce, secretWithoutPkce, app: base, scope } = settings

passport.use(
  'heirloom',
  new Strategy(
    {
      issuer,
      authorizationURL: `${issuer}/oauth/authorize`,
      tokenURL: `${issuer}/oauth/token`,
      userInfoURL: `${issuer}/oauth/userinfo`,
      clientID: idWithoutPkce,
      clientSecret: secretWithoutPkce,
      callbackURL: `${base}/callback`,
      scope: scope.split(' ').slice(1), // it adds openid
      nonce: true, // in place of PKCE
      skipUserProfile: false,
    },
    (_issuer, profile, _context, idToken, done) => done(null, { ...profile, idToken }),
  ),
)
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))

function login(request, response, next) {
  passport.authenticate('heirloom', { prompt: request.query.prompt })(request, response, next)
}

function callback(request, response, next) {
  // A refusal calls back without a user; `info` has the description of the error.
  passport.authenticate('heirloom', (error, user, info) => {
    if (error ?? !user) return next(error ?? new Error(`${request.query.error}: ${info?.message}`))
    request.login(user, (failed) => (failed ? next(failed) : response.json({ sub: user.id, name: user.username })))
  })(request, response, next)
}

function logout(request, response, next) {
  const { idToken } = request.user
  const question = new URLSearchParams({ id_token_hint: idToken, post_logout_redirect_uri: `${base}/` })
  request.logout((error) => (error ? next(error) : response.redirect(`${issuer}/oauth/logout?${question}`)))
}

const noRefresh = 'it shows no refresh token unless asked by a longer callback, and refreshes nothing'
await serve('passport-openidconnect', { refresh: noRefresh }, (app) => {
  app.use(passport.session())
  app.get('/login', login)
  app.get('/callback', callback)
  app.get('/logout', logout)
})
