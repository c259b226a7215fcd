// oidc-client-ts in an app that signs people in, in Chromium.
import { signIn } from './sign-in.mjs'

await signIn('oidc-client-ts')
