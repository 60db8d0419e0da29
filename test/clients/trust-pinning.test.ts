import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pinRepository } from '../../src/admin/repositories.ts'
import { issueCertificate } from '../support/certificate.ts'
import { makeKey, makeRootKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import type { NotaryClient } from './support/notary.ts'
import { Stage } from './support/stage.ts'
import { skipWithout } from './support/tools.ts'

const YEAR = 365 * 86_400_000
const REFUSED = /could not validate the path to a trusted root: /

describe('notary with pinned roots only', { skip: skipWithout('notary') }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
  })
  after(() => stage.close())

  /** Makes a new client with this as its `~/.notary/config.json`. */
  async function configured(config: string): Promise<NotaryClient> {
    const client = await stage.client()
    const directory = join(client.directory, '.notary')
    await mkdir(directory)
    await writeFile(join(directory, 'config.json'), config)
    return client
  }

  const told = (pinning: { certs?: Record<string, string[]>; ca?: Record<string, string> }): Promise<NotaryClient> =>
    configured(JSON.stringify({ trust_pinning: { disable_tofu: true, ...pinning } }))

  async function refused(client: NotaryClient, gun: string): Promise<void> {
    const { code, text } = await client.try('list', gun)
    assert.notEqual(code, 0)
    assert.match(text, REFUSED)
  }

  test('pinned by certificate id: one id serves all repositories that share the certificate until its renewal', async () => {
    const passphrase = ['--passphrase-file', await stage.file('a passphrase for root')]
    const [first, second] = ['docker.io/acme/a', 'docker.io/acme/b']
    for (const gun of [first, second]) {
      await stage.done(['repo', 'create', gun, '--wildcard', 'docker.io/acme/*', ...passphrase])
    }
    const idOf = async (gun: string): Promise<string> =>
      (await stage.ask(pinRepository, { gun })).keys[0]!.certificateId
    const shared = await idOf(first)
    const reader = await told({ certs: { 'docker.io/acme/*': [shared] } })
    for (const gun of [first, second]) assert.deepEqual(await reader.list(gun), [])
    const ofOne = await configured(await stage.done(['repo', 'pin', first, '--for', 'notary']))
    assert.deepEqual(await ofOne.list(first), [])
    await refused(ofOne, second)

    await stage.done(['key', 'rotate', first, 'root', '--renew', ...passphrase])
    await refused(await told({ certs: { 'docker.io/acme/*': [shared] } }), first)
    const toldAnew = await told({ certs: { 'docker.io/acme/*': [shared, await idOf(first)] } })
    for (const gun of [first, second]) assert.deepEqual(await toldAnew.list(gun), [])
  })

  test('pinned by CA: the issuer of the certificates may be an intermediate', async () => {
    const life = { notBefore: Date.now() - 60_000, notAfter: Date.now() + YEAR }
    const [root, between] = [makeKey('ecdsa'), makeKey('ecdsa')]
    const authority = { ca: true, signer: root.privateKey, issuer: 'corp root', ...life }
    const rootFile = await stage.file(
      issueCertificate({ ...authority, commonName: 'corp root', publicKey: root.publicKey }),
    )
    const intermediate = issueCertificate({ ...authority, commonName: 'corp', publicKey: between.publicKey })
    const gun = 'docker.io/corp/app'
    const key = makeRootKey('docker.io/corp/*', Date.now(), {
      signer: between.privateKey,
      issuer: 'corp',
      intermediates: [intermediate],
      // Go accepts no certificate for code signing alone from a CA.
      hosts: ['corp.example'],
    })
    const owner = await TrustWorld.create({ gun, now: Date.now(), serverKeys: keysFrom(stage.server, gun) })
    owner.root.keys = Object.fromEntries(
      Object.entries(owner.root.keys).filter(([id]) => !owner.root.roles['root']?.keyids.includes(id)),
    )
    owner.setKeys('root', [key])
    await owner.send(stage.server, owner.parts('root', 'targets', 'snapshot'))
    assert.deepEqual(await (await told({ ca: { 'docker.io/corp/': rootFile } })).list(gun), ['v1 targets'])
    await refused(await told({ ca: { 'docker.io/corp/': stage.caFile } }), gun)
    await refused(await told({ ca: { 'docker.io/other/': rootFile } }), gun)
  })
})
