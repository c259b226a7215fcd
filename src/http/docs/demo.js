// A client by hand: authorization code and PKCE (RFC 7636), the checks of RFC 9207 and of OpenID Connect, and refreshes.
(async () => {
  const { clientId } = document.body.dataset
  const place = (id) => document.getElementById(id)
  const say = (text) => { place('status').textContent = text }
  const metadata = await (await fetch('.well-known/openid-configuration')).json()
  const redirectUri = `${metadata.issuer}/demo`
  const asked = new URLSearchParams(window.location.search)
  // Opened by another name of this machine, such as localhost.
  if (new URL(redirectUri).origin !== window.location.origin) {
    window.location.replace(`${redirectUri}${window.location.search}`)
    return
  }

  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
  const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)))
  const claims = (token) => {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (character) => character.charCodeAt(0))
    return JSON.parse(new TextDecoder().decode(bytes))
  }

  // What must be the same when the browser is back.
  const KEPT = 'heirloom-demo'
  const signIn = async () => {
    const kept = { state: random(), nonce: random(), verifier: random() }
    sessionStorage.setItem(KEPT, JSON.stringify(kept))
    const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(kept.verifier)))
    const url = new URL(metadata.authorization_endpoint)
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'openid profile email read write',
      state: kept.state,
      nonce: kept.nonce,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    window.location.assign(url)
  }

  // The tokens stay in this page: it forgets them when it is left.
  let tokens = {}
  const ask = async (form) => {
    const answer = await fetch(metadata.token_endpoint, { method: 'POST', body: new URLSearchParams({ client_id: clientId, ...form }) })
    const said = await answer.json()
    if (!answer.ok) throw new Error(`${said.error}: ${said.error_description}`)
    tokens = { ...tokens, ...said }
    await show()
  }
  const show = async () => {
    const pretty = (id, value) => { place(id).textContent = JSON.stringify(value, null, 2) }
    pretty('id-token', claims(tokens.id_token))
    pretty('access-token', claims(tokens.access_token))
    const userinfo = await fetch(metadata.userinfo_endpoint, { headers: { Authorization: `Bearer ${tokens.access_token}` } })
    pretty('userinfo', await userinfo.json())
    for (const id of ['shown', 'refresh', 'devices', 'sign-out']) place(id).hidden = false
    place('sign-in').hidden = true
    const signOut = new URL(metadata.end_session_endpoint)
    signOut.search = new URLSearchParams({ id_token_hint: tokens.id_token, client_id: clientId, post_logout_redirect_uri: redirectUri })
    place('sign-out').href = signOut
  }
  const finish = async () => {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? '{}')
    sessionStorage.removeItem(KEPT)
    if (!kept.state || asked.get('state') !== kept.state) throw new Error('This answer belongs to no sign-in of this page.')
    if (asked.get('iss') !== metadata.issuer) throw new Error('This answer comes from another server.')
    if (asked.has('error')) throw new Error(`${asked.get('error')}: ${asked.get('error_description')}`)
    await ask({ grant_type: 'authorization_code', code: asked.get('code'), redirect_uri: redirectUri, code_verifier: kept.verifier })
    if (claims(tokens.id_token).nonce !== kept.nonce) throw new Error('The ID token belongs to another sign-in.')
    say('You are signed in.')
  }
  const trying = (action) => action().catch(({ message }) => say(message))

  place('sign-in').addEventListener('click', () => trying(signIn))
  place('refresh').addEventListener('click', () => trying(async () => {
    await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
    say(`Refreshed at ${new Date().toLocaleTimeString()}.`)
  }))
  window.history.replaceState(null, '', redirectUri)
  if (asked.has('code') || asked.has('error')) await trying(finish)
  else if (asked.has('sign-in')) await trying(signIn)
})()
