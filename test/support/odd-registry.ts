import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Credentials } from '../../src/registry/credentials.ts'
import { registryPlace, type RegistryPlace } from '../../src/registry/reference.ts'
import { trustAuthority } from '../../src/registry/trust-authority.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { tlsIdentity } from './go-server.ts'
import { oddServer } from './odd-server.ts'

const MANIFEST = Buffer.from('{"schemaVersion":2}')
const TYPE = { 'Content-Type': 'application/vnd.docker.distribution.manifest.v2+json' }
export const DIGEST = `sha256:${createHash('sha256').update(MANIFEST).digest('hex')}`
export const BASIC = `Basic ${Buffer.from('alice:secret').toString('base64')}`
/** Docker’s credentials for every registry here. */
export const alice = async (): Promise<Credentials> => ({ username: 'alice', password: 'secret' })
export const nobody = async (): Promise<undefined> => undefined

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

/** Answers with a manifest whose digest is `DIGEST`. */
export const manifest: Answer = (_, response) => response.writeHead(200, TYPE).end(MANIFEST)

interface OddRegistry {
  readonly url: string
  /** That of the repository team/app there. */
  readonly place: RegistryPlace
  /** The requests it got, in order. */
  readonly asked: IncomingMessage[]
  /** Their paths, and what they said of who they are. */
  readonly requests: () => (string | undefined)[][]
}

/** Starts a registry that answers as told. Its token service gives `alice` or `stranger`, depending on the password. */
export async function oddRegistry(t: TestContext, answer: Answer): Promise<OddRegistry> {
  const { url, asked } = await oddServer(t, (request, response) => {
    if (request.url?.startsWith('/token') !== true) return answer(request, response)
    return response.end(JSON.stringify({ token: request.headers.authorization === BASIC ? 'alice' : 'stranger' }))
  })
  const place = registryPlace(parseGun(`${new URL(url).host}/team/app`))
  const requests = () => asked.map(({ url: path = '', headers }) => [path.split('?')[0], headers.authorization])
  return { url, place, asked, requests }
}

/** Answers that a token of the registry's own service is wanted. */
export function challenge({ headers }: IncomingMessage, response: ServerResponse): void {
  response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="http://${headers.host}/token",service="reg"` }).end()
}

/** Made once: OpenSSL does not tell authorities of the same name apart. */
const { certificate: cert, key, ca } = tlsIdentity()

/** Starts a registry that answers as told over TLS, which this process trusts from now on. */
export async function secureRegistry(t: TestContext, answer: Answer): Promise<RegistryPlace> {
  const server = createServer({ cert, key }, answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  trustAuthority(ca)
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `https://${host}`, repository: 'team/app', account: host }
}
