// Signs in and refreshes, by fetch: sign_in.mjs PASSWORD [ISSUER]
const [password, issuer = 'http://127.0.0.1:8080'] = process.argv.slice(2)

async function ask(path, options) {
  const answer = await fetch(issuer + path, options)
  const json = await answer.json()
  if (!answer.ok) throw new Error(`${answer.status} ${json.error}: ${json.error_description}`)
  return json
}

const token = (form) =>
  ask('/oauth/token', { method: 'POST', body: new URLSearchParams({ client_id: 'demo-public', ...form }) })

const name = async ({ access_token }) =>
  (await ask('/oauth/userinfo', { headers: { authorization: `Bearer ${access_token}` } })).preferred_username

let tokens = await token({ grant_type: 'password', username: 'demo', password, scope: 'profile' })
console.log('signed in:', await name(tokens))
tokens = await token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
console.log('refreshed:', await name(tokens))
