import { isIP } from 'node:net'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'

/** Node's timers count to 2^31 milliseconds, and fire at once if a delay is longer. */
export const seconds = z.number().int().positive().max(2_000_000)
/** Threads share 32-bit counts, and add one more upload before they refuse it. */
export const bytes = z.number().int().positive().max(1_000_000_000)
export const count = z.number().int().positive()
/** A path in a settings file is relative to that file. */
export const path = z.string().min(1).meta({ path: true })

/** For example 10.0.0.7, 10.0.0.0/8 or fd00::/8. */
export const network = z.string().refine((text) => {
  const [address = '', bits = '0', ...rest] = text.split('/')
  const most = isIP(address) === 4 ? 32 : 128
  return isIP(address) !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
}, 'must be an address, or a network like 10.0.0.0/8')

/** True for a name or address that can be in a certificate: no zone, and no IPv4 written as IPv6. */
function isHostName(text: string): boolean {
  if (isIP(text) !== 0) return !/%|:.*\./.test(text)
  return /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_-]*[a-z0-9]$/i.test(text)
}

export const hostName = z.string().refine(isHostName, 'must be a name or an address, like trust.example.com')

export const gunPrefix = z
  .string()
  .refine(
    (text) => text.endsWith('/') && !text.startsWith('/') && !text.startsWith('..'),
    'must end in "/" and not start with "/" or ".."',
  )

/** False for `https://user:password@…`: `fetch` refuses such a URL and quotes it, password and all, in our log. */
function holdsNoPassword(text: string): boolean {
  const url = URL.parse(text)
  return url === null || (url.username === '' && url.password === '')
}
const PASSWORD_IN_URL = 'must not contain a user name or password'

export const url = z.url({ protocol: /^https?$/ }).refine(holdsNoPassword, PASSWORD_IN_URL)

/** A URL of HTTPS, or of HTTP on loopback. It goes into a header, between quotes. */
export const secureUrl = z
  .string()
  .refine((text) => {
    const url = URL.canParse(text) && /^[!#-[\]-~]+$/.test(text) ? new URL(text) : undefined
    return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  }, 'must be a URL that begins with https://')
  .refine(holdsNoPassword, PASSWORD_IN_URL)

/** A pattern that matches nothing would silently leave keys where nobody wants them. */
const gunPattern = z
  .string()
  .regex(/^(?:\*|[^*]*[^*/](?:\/\*)?)$/, 'must look like docker.io/acme/app, docker.io/acme/*, or *')

/** Says where new keys are made. Roots are not among the roles: their keys have passphrases of their own. */
export const signerRule = z.strictObject({
  role: z.enum(['timestamp', 'snapshot', 'targets', 'targets/*', '*']).default('*'),
  gun: gunPattern.default('*'),
  signer: z.enum(['file', 'pkcs11']),
})
