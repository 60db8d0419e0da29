import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { check } from '../../src/repository/check.ts'
import { prepareRotation } from '../../src/repository/roots/prepare.ts'
import { stageRoot } from '../../src/repository/roots/stage.ts'
import { rotateKey } from '../../src/repository/server-key.ts'
import { createSigner, finishSignerRotation, rotateSigner } from '../../src/repository/signers/signers.ts'
import type { Trust } from '../../src/repository/trust.ts'
import { encodeReference, isReference } from '../../src/signing/pkcs11/reference.ts'
import type { Signer } from '../../src/signing/signer.ts'
import type { StoreReader } from '../../src/store/reader.ts'
import { SERVER } from '../../src/tuf/gun.ts'
import { TEST_ACTOR } from '../support/local-trust.ts'
import { GUN, owned } from '../support/owned-repository.ts'
import { commitOf, documentOf, newStore } from '../support/test-store.ts'

/** Fails as LevelDB does on a block that it cannot read. */
const unreadable = (): never => {
  throw new TrustError('CORRUPT', 'the database cannot be read')
}

test('unreadable lists are reported beside all other findings', async (t) => {
  const store = await newStore(t)
  await store.commit(commitOf('example.org/a', 0, [documentOf('targets', 1, 'no metadata')]))
  const textsOf = async (broken: Partial<StoreReader>): Promise<string[]> => {
    const snapshot = await store.snapshot()
    const damaged = { ...snapshot, reader: { ...snapshot.reader, ...broken } }
    return (await check(damaged, async () => undefined, Date.now())).findings.map(({ text }) => text)
  }
  assert.deepEqual(await textsOf({ guns: unreadable, keysOf: async () => unreadable() }), [
    'the list of repositories cannot be read to its end: the database cannot be read',
    'the list of signers’ keys cannot be read to its end: the database cannot be read',
  ])
})

test('keys lost with a token are errors while they are in use, warnings after', async (t) => {
  const { here } = await owned(t)
  const { trust } = here
  const signer: Signer = {
    makes: () => true,
    readiness: () => trust.signer.readiness(),
    sign: (...args) => trust.signer.sign(...args),
    async create(...args) {
      return { ...(await trust.signer.create(...args)), sealed: encodeReference({ token: 'gone', id: '00' }) }
    },
  }
  const custody: Trust = { ...trust, signer }
  const found = async (): Promise<string[]> => {
    const { findings } = await here.check(async (_, sealed) => (isReference(sealed) ? 'it is lost' : undefined))
    return findings.map(({ severity, text }) => `${severity}: ${text.replace(/[0-9a-f]{64}/, 'ID')}`)
  }
  // A key that is sealed here is damaged instead, and signing with it fails with the words of `check`.
  const unsealed = trust.signer.sign({ gun: SERVER, role: 'targets/ci', keyId: 'k' }, Buffer.alloc(99), Buffer.alloc(1))
  await assert.rejects(unsealed, { message: 'the targets/ci key k of the server does not open' })
  const where = 'cannot be used: it is lost'
  const lost = [`error: the timestamp key ID ${where}`, `error: the key ID of the signer targets/ci ${where}`]
  await createSigner(custody, 'ci', TEST_ACTOR)
  await rotateKey(custody, GUN, 'timestamp', TEST_ACTOR)
  assert.deepEqual(await found(), lost)
  const { key } = await rotateSigner(trust, 'ci', TEST_ACTOR)
  await finishSignerRotation(trust, 'ci', key.keyId, TEST_ACTOR)
  await stageRoot(trust, GUN, TEST_ACTOR, 'to be rid of it', (head, now) =>
    prepareRotation(trust, GUN, head, now, ['timestamp']),
  )
  const gone = 'is not in use, and in no token here'
  assert.deepEqual(await found(), [
    `warning: the timestamp key ID ${gone}`,
    `warning: the key ID of the signer targets/ci ${gone}`,
  ])
})
