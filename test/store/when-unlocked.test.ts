import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { whenUnlocked } from '../../src/store/when-unlocked.ts'

const locked = new TrustError('DATA_LOCKED', 'another process uses it')

/** @returns the error, how often opening was tried, and how often waiting was announced */
async function outcome(
  open: () => Promise<void>,
  isFutile?: () => Promise<boolean>,
): Promise<[unknown, number, number]> {
  let [tried, begun] = [0, 0]
  const opening = whenUnlocked(
    () => {
      tried += 1
      return open()
    },
    { onWait: () => (begun += 1), maxWait: 500, ...(isFutile === undefined ? {} : { isFutile }) },
  )
  return [await opening.catch((error: unknown) => error), tried, begun]
}

test('a lock that stays is waited for a while, then reported', async () => {
  const [error, tried, begun] = await outcome(() => Promise.reject(locked))
  assert.deepEqual([error, begun], [locked, 1])
  // On a busy machine the second try may be the last one.
  assert.ok(tried > 1)
})

test('only a lock that can end is waited for', async () => {
  assert.deepEqual(await outcome(() => Promise.resolve()), [undefined, 1, 0])
  assert.deepEqual(
    await outcome(
      () => Promise.reject(locked),
      async () => true,
    ),
    [locked, 1, 0],
  )
  const other = new TrustError('DATA_MISSING', 'there is none')
  assert.deepEqual(await outcome(() => Promise.reject(other)), [other, 1, 0])
})
