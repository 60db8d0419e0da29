import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { whenUnlocked } from '../../src/store/when-unlocked.ts'

const locked = new TrustError('DATA_LOCKED', 'another process uses it')

/** @returns how often it was tried, and how often it was said that there is something to wait for */
async function outcome(
  open: () => Promise<void>,
  isInVain?: () => Promise<boolean>,
): Promise<[unknown, number, number]> {
  let [tried, begun] = [0, 0]
  const opening = whenUnlocked(
    () => {
      tried += 1
      return open()
    },
    { begins: () => (begun += 1), most: 500, ...(isInVain === undefined ? {} : { isInVain }) },
  )
  return [await opening.catch((error: unknown) => error), tried, begun]
}

test('what stays locked is given up after a while, with the reason', async () => {
  const [error, tried, begun] = await outcome(() => Promise.reject(locked))
  assert.deepEqual([error, begun], [locked, 1])
  assert.ok(tried > 2)
})

test('nothing is waited for in vain, or for anything else', async () => {
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
