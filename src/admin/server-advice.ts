import { MISSING_KEYS, type Ending } from '../repository/expiry.ts'
import { RENEW_DAYS } from '../signing/tls/identity.ts'
import { shellQuoted } from '../tuf/gun.ts'

/** Certificates of the server itself that end; without TLS there are none. */
export const SERVER_CERTIFICATE = 'server certificate'
export const SERVER_CA = 'server CA'
/** The first end among the CAs of client certificates: after it, the users of that one are no longer recognised. */
export const CLIENT_CA = 'client CA'
/** Appended to one of them if its file is missing, or no certificate. */
export const UNREADABLE = ', which cannot be read'
/** Appended to the server's certificate if it is not expired, and yet no start would accept it with its key. */
export const UNUSABLE = ', which cannot be served'

const DAY = 86_400_000
/** Begins the `what` of a signer whose keys cannot be used. */
const LOST = `${MISSING_KEYS} of signer `
/** Begins the `what` of a token that ends. */
const TOKEN = 'token '
const PUT_RIGHT =
  'put right the files that tls.certificateFile and tls.keyFile name: the log says what is wrong ("new TLS certificates"); no server starts with them, and a running one still serves those before'
const NEW_CA = 'stop the server, remove tls/ in its keys directory, start it, give clients the new tls/ca.crt'
/** The server was off, cannot issue one, or was given one of another CA. */
const NOT_RENEWED =
  'restart the server: it makes a new one, or its log says why not ("new TLS certificates"); or put one into tls/server.crt and its key into tls/server.key'

/**
 * Returns what to do about something that ends and belongs to no repository.
 *
 * @param own certificates of the server
 * @param now milliseconds since 1970
 */
export function adviceForServer({ what, expires, reason }: Ending, own: readonly Ending[], now: number): string {
  if (what.startsWith(TOKEN)) return forToken(what.slice(TOKEN.length))
  if (what.startsWith(LOST)) return `${reason}; if it is lost: countersign signer rotate ${what.slice(LOST.length)}`
  if (what === SERVER_CA) return NEW_CA
  if (what.startsWith(CLIENT_CA)) return 'replace it in the file that access.clientCertificates.caFile names'
  if (what === `${SERVER_CA}${UNREADABLE}`)
    return `copy tls/ca.crt back into its keys directory from a client; or ${NEW_CA}`
  const ca = own.find((each) => each.what.startsWith(SERVER_CA))
  // For certificates that were made elsewhere, there is no CA here.
  if (ca === undefined && what.endsWith(UNUSABLE)) return PUT_RIGHT
  if (ca === undefined) return 'put a new one into the file that tls.certificateFile names'
  if (what.endsWith(UNREADABLE) || what.endsWith(UNUSABLE)) return 'restart the server: it makes a new one'
  // No certificate lives longer than its CA.
  if (ca.what === SERVER_CA && expires >= ca.expires) return NEW_CA
  // The server has had a day for it.
  if (expires < now + (RENEW_DAYS - 1) * DAY) return NOT_RENEWED
  return `nothing: the server makes a new one in the last ${RENEW_DAYS} days`
}

/** A new token needs another name until the old one is revoked, which also ends its row. */
function forToken(name: string): string {
  return `countersign token create NEW-NAME if it is still needed, then countersign token revoke ${shellQuoted(name)}`
}
