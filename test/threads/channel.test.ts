import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MessageChannel } from 'node:worker_threads'
import { TrustError } from '../../src/errors.ts'
import { Channel } from '../../src/threads/channel.ts'

const { port1, port2 } = new MessageChannel()
after(() => port1.close())

const answers = {
  add: (one: number, other: number) => one + other,
  refuse: async () => {
    throw new TrustError('INVALID_UPDATE', 'no', { hint: 'try yes', problem: { name: 'ErrBadRoot' } })
  },
  fail: () => {
    throw new RangeError('a fault')
  },
  bytes: (bytes: Uint8Array) => bytes.length,
  make: () => ({}),
}
const channel = new Channel<typeof answers>(port1, {})
new Channel(port2, answers)

test('each answer reaches its own caller', async () => {
  const sums = Array.from({ length: 50 }, (_, index) => channel.ask('add', [index, 1]))
  assert.deepEqual(
    await Promise.all(sums),
    sums.map((_, index) => index + 1),
  )
})

test('an answer is kept by its caller only', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const answer = new WeakRef(await channel.ask('make', []))
  // It lives until the end of the turn.
  await setImmediate()
  collect()
  assert.equal(answer.deref(), undefined)
})

test('a TrustError arrives complete, and a fault arrives as a fault', async () => {
  await assert.rejects(channel.ask('refuse', []), (error) => {
    assert.ok(error instanceof TrustError)
    const { code, message, hint, problem } = error
    const said = { code: 'INVALID_UPDATE', message: 'no', hint: 'try yes', problem: { name: 'ErrBadRoot' } }
    assert.deepEqual({ code, message, hint, problem }, said)
    return true
  })
  await assert.rejects(channel.ask('fail', []), (error) => {
    return !(error instanceof TrustError) && error instanceof Error && error.message.includes('a fault')
  })
})

test('bytes can be transferred', async () => {
  const bytes = new Uint8Array(10)
  assert.equal(await channel.ask('bytes', [bytes], [bytes.buffer]), 10)
  assert.equal(bytes.length, 0)
})
