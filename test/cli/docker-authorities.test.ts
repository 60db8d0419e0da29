import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startLocalProxy, type LocalProxy } from '../support/local-proxy.ts'
import { Terminal } from './terminal.ts'

const APP = 'docker.io/acme/app'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Where docker reaches a server with a private authority, these commands do too. */
describe('private authorities that docker trusts', () => {
  let terminal: Terminal
  let notary: string
  let registry: Server
  let proxy: LocalProxy
  let image: string

  before(async () => {
    terminal = await Terminal.open()
    notary = (await terminal.host()).url
    const [cert, key] = await Promise.all(
      ['server.crt', 'server.key'].map((name) => readFile(terminal.path('keys', 'tls', name))),
    )
    registry = createServer({ cert, key }, (_, response) => {
      response.writeHead(200, { 'Content-Type': MANIFEST }).end('{}')
    }).listen(0, '127.0.0.1')
    await once(registry, 'listening')
    image = `${hostname()}:${(registry.address() as AddressInfo).port}`
    // Directly, a registry on this machine would be asked over HTTP.
    proxy = await startLocalProxy()
    // Not this machine's own.
    await mkdir(terminal.path('none'))
    Object.assign(terminal.environment, { SSL_CERT_FILE: '/nowhere', SSL_CERT_DIR: terminal.path('none') })
  })
  after(async () => {
    proxy.close()
    registry.closeAllConnections()
    registry.close()
    await terminal.close()
  })

  async function putAuthority(...place: string[]): Promise<void> {
    const file = terminal.path(...place)
    await mkdir(dirname(file), { recursive: true })
    await cp(terminal.path('keys', 'tls', 'ca.crt'), file)
  }

  /** Asks the other server for a repository that it does not have: this answer shows that it was reached. */
  async function adopts(environment: Record<string, string>, expected: RegExp): Promise<void> {
    const { stderr } = await terminal.run(['repo', 'adopt', APP, '--from', notary], environment)
    assert.match(stderr, expected)
  }
  const reached = /has no trust data for docker\.io\/acme\/app/

  test('those of the system', async () => {
    await adopts({}, /certificate is not trusted/)
    await adopts({ SSL_CERT_FILE: terminal.path('keys', 'tls', 'ca.crt') }, reached)
  })

  test("those in docker's directory for a Notary server", async () => {
    const { host } = new URL(notary)
    const environment = { DOCKER_CONFIG: terminal.path('docker') }
    await putAuthority('docker', 'tls', 'other.example', 'ca.crt')
    await putAuthority('docker', 'tls', host, 'notes.txt')
    await adopts(environment, /certificate is not trusted/)
    await putAuthority('docker', 'tls', host, 'ours.crt')
    await adopts(environment, reached)

    const broken = terminal.path('docker', 'tls', host, 'broken.crt')
    await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    await adopts(
      environment,
      /^error: cannot read the certificates in \S+: the CA certificate cannot be read\nhint: docker looks there too/,
    )
  })

  test("those in the docker daemon's directory for a registry", async () => {
    const environment = { HTTPS_PROXY: proxy.url, XDG_CONFIG_HOME: terminal.path('config') }
    const sign = ['tag', 'sign', `${image}/team/app`, 'v1']
    const refused = await terminal.run(sign, environment)
    assert.match(refused.stderr, /certificate is not trusted: .*\nhint: if a private CA issued it: put its .*certs\.d/)
    assert.equal(refused.code, 2)
    await putAuthority('config', 'docker', 'certs.d', image, 'ca.crt')
    const { stderr } = await terminal.run(sign, environment)
    // The registry has answered: only the repository is missing here.
    assert.match(stderr, /^error: there is no repository /)
  })
})
