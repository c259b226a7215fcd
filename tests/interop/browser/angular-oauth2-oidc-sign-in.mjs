// angular-oauth2-oidc in an app that signs people in, in Chromium.
import { signIn } from './sign-in.mjs'

await signIn('angular-oauth2-oidc')
