import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { SERVER, parseGun, type Gun } from '../../src/tuf/gun.ts'
import { Shared } from '../../src/threads/shared.ts'

const GUN = parseGun('example.org/app')

test('a lock has one holder at a time, in the order of the requests', async () => {
  const one = new Shared()
  const other = new Shared(one.buffer)
  const order: number[] = []
  let holders = 0
  const holding = Array.from({ length: 20 }, (_, index) =>
    (index % 2 === 0 ? one : other).locks.hold(GUN, async () => {
      holders += 1
      assert.equal(holders, 1)
      await setImmediate()
      order.push(index)
      holders -= 1
    }),
  )
  await Promise.all(holding)
  assert.deepEqual(
    order,
    order.map((_, index) => index),
  )
})

test('a failing holder releases the lock, and its error is passed on', async () => {
  const { locks } = new Shared()
  await assert.rejects(
    locks.hold(GUN, () => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(await locks.hold(GUN, async () => 'yes'), 'yes')
})

test('repositories can be locked while the server’s lock is held', async () => {
  const { locks } = new Shared()
  const names = Array.from({ length: 10_000 }, (_, index) => parseGun(`r${index}`))
  await locks.hold(SERVER, async () => {
    for (const name of names) await locks.hold(name, async () => undefined)
  })
})

test('which repositories share a lock differs from server to server', async () => {
  const names = Array.from({ length: 20_000 }, (_, index) => parseGun(`example.org/r${index}`))
  const others = await waitingWith(new Shared(), GUN, names)
  const chosen = await waitingWith(new Shared(), GUN, others)
  assert.ok(others.length > 0)
  assert.ok(chosen.length < others.length / 2, `${chosen.length} of ${others.length} again`)
})

/** Returns those that wait while one is locked. */
async function waitingWith({ locks }: Shared, held: Gun, names: readonly Gun[]): Promise<Gun[]> {
  const waiting = new Set(names)
  return locks.hold(held, async () => {
    for (const name of names) void locks.hold(name, async () => waiting.delete(name))
    for (let before = Infinity; waiting.size < before; await setTimeout(100)) before = waiting.size
    return [...waiting]
  })
}

test('all threads see the same numbers', async () => {
  const one = new Shared()
  const other = new Shared(one.buffer)
  one.journalEnd = 2 ** 40
  assert.equal(other.journalEnd, 2 ** 40)
  assert.equal(one.parked.all.add(5), 5)
  assert.equal(other.parked.all.add(-2), 3)
  assert.equal(one.parked.of('user:alice').add(7), 7)
  assert.equal(other.parked.of('user:alice').add(-3), 4)
  assert.equal(other.publishing.add(1), 1)
  const [gun, another] = [parseGun('example.org/a'), parseGun('example.org/b')]
  assert.equal(other.writes.of(gun), 0)
  const writing = one.writes.during([gun, gun], async () => {})
  assert.equal(other.writes.of(gun), undefined)
  assert.equal(other.writes.of(another), 0)
  await writing
  assert.equal(other.writes.of(gun), 2)
  await one.writes.during(undefined, async () => {})
  assert.equal(other.writes.of(gun), 4)
  assert.equal(other.writes.of(another), 2)
  // Writes and locks have no effect on the counts.
  const names = Array.from({ length: 2_000 }, (_, index) => parseGun(`example.org/${index}`))
  for (const name of names) await one.locks.hold(name, async () => {})
  assert.deepEqual([one.journalEnd, other.parked.all.add(0), other.publishing.add(0)], [2 ** 40, 3, 1])
  assert.equal(other.parked.of('user:alice').add(-4), 0)
  assert.ok(names.every((name) => other.parked.of(name).add(0) === 0))
})
