import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { LOCAL } from '../../src/access/permission.ts'
import { checkStore } from '../../src/admin/check.ts'
import { rehearsing } from '../../src/admin/rehearse.ts'
import { stageNextRoot } from '../../src/admin/roots.ts'
import { signTag } from '../../src/admin/tags.ts'
import { worldOver } from '../../src/world.ts'
import { currentKey, rotateKey } from '../../src/repository/server-key.ts'
import { createSigner } from '../../src/repository/signers/signers.ts'
import type { SettingsInput } from '../../src/settings/schema.ts'
import { PLAIN_HTTP_WORDS, settingsSchema } from '../../src/settings/schema.ts'
import { isReference } from '../../src/signing/pkcs11/reference.ts'
import { RoutedSigner } from '../../src/signing/routed-signer.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { exchange } from '../support/exchange.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { named } from '../support/owned-repository.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { skipWithoutToken as skip, SoftToken } from '../support/soft-token.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import { until } from '../support/until.ts'
import { tufPath } from '../support/upload.ts'

const WITHOUT_TLS = { ...settingsSchema.parse({ listen: { plainHttp: PLAIN_HTTP_WORDS } }), anchorFile: '' }
const GUN = 'example.org/acme/app'
const DAY = 86_400_000

describe('a server whose rules put keys in a token', { skip }, () => {
  let token: SoftToken
  let server: TestServer
  let world: TrustWorld

  const rules = (signer: 'file' | 'pkcs11'): SettingsInput => ({
    // Differs from the token's algorithm, and so tells where a key was made.
    keyAlgorithm: 'ed25519',
    signers: {
      pkcs11: token.settings,
      rules: [
        { role: 'timestamp', gun: 'example.org/acme/*', signer },
        { role: 'timestamp', gun: '*', signer: 'file' },
      ],
    },
  })
  const heldInToken = (role: 'timestamp' | 'snapshot', gun = GUN): boolean[] =>
    server.running.trust.store.keys(parseGun(gun), role).map(({ sealed }) => isReference(sealed))
  const ready = async (): Promise<[number, unknown]> => {
    const { status, body } = await exchange(server, { path: '/healthz/ready' })
    return [status, JSON.parse(body.toString())]
  }
  const untilReady = (): Promise<void> => until('the server to be ready', async () => (await ready())[0] === 200)

  before(async () => {
    token = await SoftToken.create()
    server = await startTestServer({ transport: 'plain', settings: rules('file') })
    const serverKeys = keysFrom(server, GUN)
    world = await TrustWorld.create({ gun: GUN, now: server.clock.now, serverKeys, snapshot: 'server' })
    await world.publishFirst(server)
  })

  after(async () => {
    await server.stop()
    await token.remove()
  })

  test('after a change of rule, a pending key outside the token is not handed out', async () => {
    const waiting = await keysFrom(server, GUN)('timestamp', 'next')
    assert.deepEqual(heldInToken('timestamp'), [false, false])
    await server.restart(rules('pkcs11'))
    const next = await keysFrom(server, GUN)('timestamp', 'next')
    assert.notEqual(next.keyval.public, waiting.keyval.public)
    assert.equal(next.keytype, 'ecdsa')
    assert.deepEqual(await keysFrom(server, GUN)('timestamp', 'next'), next)
    // The current key stays in use until a root names another one.
    assert.deepEqual((await keysFrom(server, GUN)('timestamp', 'current')).keytype, 'ed25519')
    world.nameServerKey('timestamp', next)
    await world.publish(server, 'root')
    assert.deepEqual(await keysFrom(server, GUN)('timestamp', 'current'), next)
    assert.equal(heldInToken('timestamp').filter((inToken) => inToken).length, 1)
    assert.deepEqual(heldInToken('snapshot'), [false])
  })

  test('the first matching rule decides, by role and repository', async () => {
    const gun = 'example.org/elsewhere'
    await keysFrom(server, gun)('timestamp', 'current')
    assert.deepEqual(heldInToken('timestamp', gun), [false])
    const below = 'example.org/acme/second'
    await keysFrom(server, below)('timestamp', 'current')
    await keysFrom(server, below)('snapshot', 'current')
    assert.deepEqual([heldInToken('timestamp', below), heldInToken('snapshot', below)], [[true], [false]])
  })

  test('check opens keys of both kinds; a rehearsal signs with those in the token, and makes none there', async () => {
    const { trust, store } = server.running
    assert.ok(trust.signer instanceof RoutedSigner)
    const settings = { ...WITHOUT_TLS, keysDirectory: join(server.directory, 'keys') }
    const operations = { ...worldOver(settings, trust, store, trust.signer), asker: () => LOCAL }
    const report = await checkStore.run(operations, {}, TEST_ACTOR)
    assert.deepEqual(report.findings, [])
    const rehearsal = rehearsing(operations)
    const made = await rehearsal.trust.signer.create(parseGun(GUN), 'timestamp')
    assert.equal(isReference(made.sealed), false)
    world.delegate('targets/ci', [named(await createSigner(trust, 'ci', TEST_ACTOR))])
    world.delegations.delete('targets/ci')
    await world.publish(server, 'targets')
    const before = store.tail()
    const gun = parseGun(GUN)
    const tag = { tag: 'v1', digest: `sha256:${'a'.repeat(64)}`, size: 7, as: 'ci' }
    await signTag.run(rehearsal, { gun, ...tag }, TEST_ACTOR)
    const { reason } = await stageNextRoot.run(
      rehearsal,
      { gun, change: { what: 'keys', roles: ['timestamp'] } },
      TEST_ACTOR,
    )
    assert.deepEqual([reason, store.tail()], ['a new timestamp key', before])
  })

  test('while the token is away reads succeed and publishes get 503; once it is back all works again', async () => {
    assert.deepEqual(await ready(), [200, {}])
    await token.takeAway()
    world.addTarget('v2')
    await assert.rejects(world.fork().publish(server, 'targets'), /publish refused: 503 .*UNAVAILABLE/)
    const [status, failed] = await ready()
    assert.equal(status, 503)
    assert.match(JSON.stringify(failed), /^\{"signer":"the PKCS#11 token cannot be reached: CKR_\w+"\}$/)
    const { body: metrics } = await exchange(server, { path: '/metrics' })
    assert.match(metrics.toString(), /^countersign_signer_usable 0$/m)
    for (const file of ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json']) {
      assert.equal((await exchange(server, { path: tufPath(GUN, file) })).status, 200, file)
    }
    assert.equal((await exchange(server, { path: tufPath(GUN, 'timestamp.key') })).status, 200)
    const refused = await exchange(server, { path: tufPath('example.org/acme/third', 'timestamp.key') })
    assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '10'])
    const { trust, store } = server.running
    assert.ok(trust.signer instanceof RoutedSigner)
    const operations = { ...worldOver(WITHOUT_TLS, trust, store, trust.signer), asker: () => LOCAL }
    await assert.rejects(checkStore.run(operations, {}, TEST_ACTOR), { code: 'SIGNER_UNAVAILABLE' })

    await token.putBack()
    await untilReady()
    await world.publish(server, 'targets')
    assert.deepEqual(await server.check(), [])
  })

  test('the token re-signs an expired timestamp on read; while it is away the read gets 503', async () => {
    server.clock.now += 15 * DAY
    await token.takeAway()
    assert.equal((await exchange(server, { path: tufPath(GUN, 'timestamp.json') })).status, 503)
    assert.equal((await exchange(server, { path: tufPath(GUN, 'targets.json') })).status, 200)
    await token.putBack()
    await untilReady()
    assert.equal((await exchange(server, { path: tufPath(GUN, 'timestamp.json') })).status, 200)
    assert.deepEqual(await server.check(), [])
  })

  test('a server started without its token serves reads; one without its settings names the missing one', async () => {
    await token.takeAway()
    await server.restart(rules('pkcs11'))
    assert.equal((await exchange(server, { path: tufPath(GUN, 'timestamp.json') })).status, 200)
    assert.equal((await ready())[0], 503)
    await token.putBack()
    await untilReady()

    await server.restart({ signers: {} })
    const { trust } = server.running
    world.addTarget('v3')
    await assert.rejects(world.fork().publish(server, 'targets'), /publish refused: 500/)
    const [key] = trust.store.keys(parseGun(GUN), 'timestamp').filter(({ sealed }) => isReference(sealed))
    assert.ok(key !== undefined)
    const owner = { gun: parseGun(GUN), role: 'timestamp', keyId: key.keyId } as const
    await assert.rejects(trust.signer.sign(owner, key.sealed, Buffer.alloc(1)), {
      code: 'SIGNING_FAILED',
      hint: 'set signers.pkcs11',
    })
    // Without rules new keys are made in the file signer, so rotation moves a role back.
    const next = await rotateKey(trust, parseGun(GUN), 'timestamp', TEST_ACTOR)
    assert.equal(next.keytype, 'ed25519')
    assert.equal((await currentKey(trust, parseGun(GUN), 'timestamp', TEST_ACTOR)).keytype, 'ecdsa')
  })
})
