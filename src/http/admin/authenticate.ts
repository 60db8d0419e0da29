import type { IncomingMessage } from 'node:http'
import type { Access } from '../../access/access.ts'
import type { Identity } from '../../access/permission.ts'
import { TrustError } from '../../errors.ts'
import type { ClientAddresses } from '../client-address.ts'
import { credentialsOf, ofCertificate, type Credentials } from '../credentials.ts'
import type { Authenticate } from './state.ts'

/**
 * Returns a function that recognises who uses the admin API over TCP: by an API token (Bearer, or as the password of
 * Basic), a user's password, or a client certificate. It does not accept tokens of token services.
 *
 * @param maxBytes of an Authorization header
 * @param now milliseconds since 1970
 */
export function authenticateAdmin(
  access: Access,
  clients: ClientAddresses,
  maxBytes: number,
  now: () => number,
): Authenticate {
  return async ({ req }) => {
    refusePages(req)
    const credentials = credentialsOf(req, maxBytes)
    if (credentials.kind === 'none') return ofCertificate(req, access, now()) ?? refuse('this needs credentials')
    return (await recognise(access, credentials, clients.ofOneClient(req))) ?? refuse('the credentials are wrong')
  }
}

/**
 * Refuses requests from pages in browsers: browsers add remembered passwords and certificates to whatever any page
 * sends, even a form of another site; and `Origin`, which only pages send.
 *
 * @throws TrustError FORBIDDEN
 */
function refusePages({ headers }: IncomingMessage): void {
  if (headers.origin === undefined) return
  throw new TrustError('FORBIDDEN', 'the admin API does not accept requests from web pages', {
    hint: 'send no Origin header',
  })
}

async function recognise(
  access: Access,
  credentials: Credentials,
  address: string | undefined,
): Promise<Identity | undefined> {
  if (credentials.kind === 'basic') return access.basic(credentials.user, credentials.password, address)
  return credentials.kind === 'bearer' ? access.apiToken(credentials.token) : undefined
}

function refuse(message: string): never {
  throw new TrustError('UNAUTHENTICATED', message, {
    hint: 'send an API token as "Authorization: Bearer", or a user and password as Basic; "countersign token create" makes one',
  })
}
