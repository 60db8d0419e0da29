import { failure, type AskedServer } from './ask.ts'
import type { Challenges } from './challenge.ts'
import { basicOf, type Credentials } from './credentials.ts'
import { impatiently } from './patience.ts'
import { loginHint } from './refusal.ts'
import { tokenFor } from './token-service.ts'

/**
 * Returns the `Authorization` value to send after a 401: a password, or a token from the server's token service.
 *
 * @param challenges those of the 401
 * @param scope what the token must allow: `repository:library/alpine:pull`
 * @param credentials undefined: requests the token anonymously
 * @throws TrustError REGISTRY if neither can be had
 */
export async function authorization(
  challenges: Challenges,
  server: AskedServer,
  scope: string,
  credentials: Credentials | undefined,
  patiently = impatiently,
): Promise<string> {
  const basic = credentials && basicOf(credentials)
  const bearer = challenges.get('bearer')
  if (challenges.has('basic')) {
    // Like docker, prefer a password to a token where the server takes both.
    if (basic !== undefined) return basic
    if (bearer === undefined) throw failure(server, 'requires a password', loginHint(server))
  }
  if (bearer === undefined) throw failure(server, 'requires an unsupported kind of credentials')
  return `Bearer ${await tokenFor(bearer, server, scope, credentials, patiently)}`
}
