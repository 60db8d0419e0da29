import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { openSignerRow } from '../../src/signing/signer-row.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { keyId } from '../../src/tuf/keys/key.ts'
import { parseMetadata } from '../../src/tuf/metadata.ts'
import { parseRoot } from '../../src/tuf/root.ts'
import { verifySignature } from '../../src/tuf/keys/signature.ts'
import { CaptureReplay } from '../support/capture-replay.ts'
import { answeredDocument, readCapture, readCaptureKeys, signedOf, uploadedDocuments } from '../support/captures.ts'
import { RecordedSigner } from '../support/recorded-signer.ts'
import { allowing } from './allowed.ts'

const CAPTURE = '58-replayable-ecdsa-signer'
const GUN = parseGun('replay.example/app')

/**
 * A repository's whole life, recorded from a Go server with PostgreSQL and a signer, and replayed with that signer's
 * private keys: publishes, each kind of rotation, delegations, readers several roots behind.
 */
describe('the recorded life of a repository, with the keys of the recorded server', () => {
  const recording = readCapture(CAPTURE)
  let replay: CaptureReplay

  before(async () => {
    const keys = readCaptureKeys(CAPTURE).map((row) => {
      const key = openSignerRow(row.jwe, row.algorithm, row.passphrase)
      const id = keyId({ keytype: row.algorithm, public: row.public })
      return [id, createPrivateKey({ key, format: 'der', type: 'pkcs8' })] as const
    })
    replay = await CaptureReplay.start(new RecordedSigner('ecdsa', new Map(keys)))
  })
  after(() => replay.close())

  test('every answer equals the recorded one, apart from the allowed differences', async () => {
    for (const [index, recorded] of recording.entries()) {
      const { method, path } = recorded.request
      for (const difference of await replay.replay(recorded)) {
        assert.ok(
          allowing(difference, `58#${index}`, path),
          `58#${index} ${method} ${path}: ${JSON.stringify(difference, undefined, 2)}`,
        )
      }
    }
  })

  test('every snapshot of the recorded server has the same meta here', () => {
    const uploaded = new Set(recording.flatMap(uploadedDocuments).map(({ bytes }) => bytes.toString('utf8')))
    const versions = new Set<number>()
    for (const document of recording.map(answeredDocument)) {
      if (document?.role !== 'snapshot' || uploaded.has(document.bytes.toString('utf8'))) continue
      const { version, meta } = signedOf(document.bytes)
      const ours = replay.trust.store.document(GUN, 'snapshot', { version })
      assert.deepEqual(ours && signedOf(ours.bytes)['meta'], meta)
      versions.add(version)
    }
    assert.ok(versions.size >= 5, `only ${versions.size} snapshots`)
  })

  test('every timestamp names the same snapshot version as the recorded one', () => {
    const recordedSnapshots = new Map<string, number>()
    for (const { role, bytes } of [
      ...recording.flatMap(uploadedDocuments),
      ...recording.map(answeredDocument).filter((document) => document !== undefined),
    ]) {
      if (role === 'snapshot')
        recordedSnapshots.set(parseMetadata('snapshot', bytes).checksums.sha256, signedOf(bytes).version)
    }
    let compared = 0
    for (const document of recording.map(answeredDocument)) {
      if (document?.role !== 'timestamp') continue
      const { version } = signedOf(document.bytes)
      const expected = recordedSnapshots.get(namedSnapshot(document.bytes))
      if (expected === undefined) continue
      const ours = replay.trust.store.document(GUN, 'timestamp', { version })
      assert.ok(ours)
      assert.equal(
        replay.trust.store.document(GUN, 'snapshot', { sha256: namedSnapshot(ours.bytes) })?.version,
        expected,
      )
      compared += 1
    }
    assert.ok(compared >= 20, `only ${compared} timestamps`)
  })

  test("the server's signatures verify with the keys in root", () => {
    const head = replay.trust.store.head(GUN)
    assert.ok(head)
    for (const role of ['timestamp', 'snapshot'] as const) {
      const root = replay.trust.store.document(GUN, 'root', { sha256: head.roles['root']?.sha256 ?? '' })
      const document = replay.trust.store.document(GUN, role, { sha256: head.roles[role]?.sha256 ?? '' })
      assert.ok(root && document)
      const metadata = parseMetadata(role, document.bytes)
      const { keys } = parseRoot(parseMetadata('root', root.bytes)).roles[role]
      for (const { keyid, method, sig } of metadata.signatures) {
        const key = keys.get(keyid)
        assert.ok(key)
        assert.ok(verifySignature(key, method, sig, metadata.message()))
      }
      assert.equal(metadata.signatures.length, 1)
    }
  })
})

function namedSnapshot(timestamp: Uint8Array): string {
  const { meta } = signedOf(timestamp) as unknown as { meta: { snapshot: { hashes: { sha256: string } } } }
  return Buffer.from(meta.snapshot.hashes.sha256, 'base64').toString('hex')
}
