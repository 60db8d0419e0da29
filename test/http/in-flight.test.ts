import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { InFlight } from '../../src/http/in-flight.ts'

test('large uploads start in order while there is room; one larger than the limit starts alone', async () => {
  const inFlight = new InFlight(300_000)
  const begun: string[] = []
  const take = (name: string, bytes: number): (() => Promise<void>) => {
    const held = Promise.withResolvers<void>()
    const done = inFlight.take(bytes, async () => {
      begun.push(name)
      await held.promise
    })
    return async () => {
      held.resolve()
      await done
      await setImmediate()
    }
  }
  const endHuge = take('huge', 400_000)
  const endFirst = take('first', 200_000)
  const endSecond = take('second', 200_000)
  take('small', 60_000)
  assert.deepEqual(begun, ['huge', 'small'])
  await endHuge()
  // There is room for it, but it is behind the others.
  take('third', 80_000)
  assert.deepEqual(begun.slice(2), ['first'])
  await endFirst()
  assert.deepEqual(begun.slice(3), ['second', 'third'])
  take('fourth', 200_000)
  assert.equal(begun.length, 5)
  await endSecond()
  assert.equal(begun.at(-1), 'fourth')
})
