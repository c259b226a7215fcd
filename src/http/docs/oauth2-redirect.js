// A sign-in from the documentation ends here, in a window of its own: hands the answer to Swagger UI and closes the window.
(() => {
  const waiting = window.opener?.swaggerUIRedirectOauth2
  if (!waiting) {
    document.getElementById('said').textContent = 'The documentation that this sign-in began at is closed. Authorize there again.'
    return
  }
  const { auth, state, redirectUrl, callback, errCb } = waiting
  const said = new URLSearchParams(window.location.search)
  const fail = (message) => errCb({ authId: auth.name, source: 'auth', level: 'error', message })
  if (said.get('state') !== state) {
    fail('This answer belongs to another sign-in. Authorize again.')
  } else if (said.has('code')) {
    delete waiting.state
    auth.code = said.get('code')
    callback({ auth, redirectUrl })
  } else {
    fail(`${said.get('error')}: ${said.get('error_description') ?? 'there is no code in the answer.'}`)
  }
  window.close()
})()
