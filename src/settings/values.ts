import { isIP } from 'node:net'
import { z } from 'zod'
import { isLoopback } from '../loopback.ts'

/** Node's timers count to 2^31 milliseconds, and take what is longer for none at all. */
export const seconds = z.number().int().positive().max(2_000_000)
/** What threads count together has 32 bits, and one more is counted in before it is refused. */
export const bytes = z.number().int().positive().max(1_000_000_000)
export const count = z.number().int().positive()
/** In a settings file it is relative to that. */
export const path = z.string().min(1).meta({ path: true })

/** As in 10.0.0.7, 10.0.0.0/8 or fd00::/8. */
export const network = z.string().refine((text) => {
  const [address = '', bits = '0', ...rest] = text.split('/')
  const most = isIP(address) === 4 ? 32 : 128
  return isIP(address) !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most
}, 'must be an address, or a network as in 10.0.0.0/8')

/** A name or an address that a certificate can be for: there is no zone in it, and IPv4 is not written as IPv6. */
function isHostName(text: string): boolean {
  if (isIP(text) !== 0) return !/%|:.*\./.test(text)
  return /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_-]*[a-z0-9]$/i.test(text)
}

export const hostName = z.string().refine(isHostName, 'must be a name or an address, as in trust.example.com')

export const gunPrefix = z
  .string()
  .refine(
    (text) => text.endsWith('/') && !text.startsWith('/') && !text.startsWith('..'),
    'must end in "/" and not start with "/" or ".."',
  )

/** False for `https://user:password@…`: `fetch` refuses it and quotes it whole, password and all, in our log. */
function holdsNoPassword(text: string): boolean {
  const url = URL.parse(text)
  return url === null || (url.username === '' && url.password === '')
}
const PASSWORD_IN_URL = 'must not hold a user or a password'

export const url = z.url({ protocol: /^https?$/ }).refine(holdsNoPassword, PASSWORD_IN_URL)

/** A URL of HTTPS; of HTTP on loopback only. It stands in a header between quotes. */
export const secureUrl = z
  .string()
  .refine((text) => {
    const url = URL.canParse(text) && /^[!#-[\]-~]+$/.test(text) ? new URL(text) : undefined
    return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  }, 'must be a URL that begins with https://')
  .refine(holdsNoPassword, PASSWORD_IN_URL)

/** A pattern that names nothing would leave keys where nobody wants them, without a word. */
const gunPattern = z
  .string()
  .regex(/^(?:\*|[^*]*[^*/](?:\/\*)?)$/, 'must be as in docker.io/acme/app, docker.io/acme/*, or *')

/** Which new keys are made where. Roots are not among them: their keys are under passphrases of their own. */
export const signerRule = z.strictObject({
  role: z.enum(['timestamp', 'snapshot', 'targets', 'targets/*', '*']).default('*'),
  gun: gunPattern.default('*'),
  signer: z.enum(['file', 'pkcs11']),
})
