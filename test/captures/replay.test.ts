import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { CaptureReplay } from '../support/capture-replay.ts'
import { captureNames, readCapture } from '../support/captures.ts'
import { RecordedSigner } from '../support/recorded-signer.ts'
import { ALLOWED, allowing, type Allowed } from './allowed.ts'
import { CONVERSATIONS, NOT_REPLAYED } from './conversations.ts'

test('every recording is replayed or has a reason why not', () => {
  const known = [...CONVERSATIONS, ...NOT_REPLAYED].flatMap(({ captures }) => captures)
  assert.deepEqual(known.toSorted(), captureNames())
})

describe("answers equal those of Notary's server, apart from the allowed differences", () => {
  const used = new Set<Allowed>()

  for (const { name, captures, before } of CONVERSATIONS) {
    test(name, async () => {
      const replay = await CaptureReplay.start(new RecordedSigner('ed25519'))
      try {
        for (const capture of captures) {
          const recording = readCapture(capture)
          const number = capture.split('-')[0] ?? ''
          await before?.[number]?.(replay, recording)
          for (const [index, recorded] of recording.entries()) {
            const { method, path } = recorded.request
            const place = `${number}#${index}`
            for (const difference of await replay.replay(recorded)) {
              const entry = allowing(difference, place, path)
              assert.ok(entry, `${place} ${method} ${path}: ${JSON.stringify(difference, undefined, 2)}`)
              used.add(entry)
            }
          }
        }
      } finally {
        await replay.close()
      }
    })
  }

  after(() => {
    const stale = ALLOWED.filter((entry) => !used.has(entry)).map(({ what, at, reason }) => ({ what, at, reason }))
    assert.deepEqual(stale, [], 'allowed differences that never occur')
  })
})
