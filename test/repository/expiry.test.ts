import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustError } from '../../src/errors.ts'
import { createMetrics } from '../../src/http/metrics/metrics.ts'
import { allEndings, startWatchingExpiry, type Ending } from '../../src/repository/expiry.ts'
import type { Trust } from '../../src/repository/trust.ts'
import type { Store } from '../../src/store/store.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { startLocalApp, keptLog, type Line } from '../support/local-app.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

const NOW = Date.parse('2026-11-24T08:00:00.000Z')
const YEARS = 4 * 365 * 86_400_000
const [DAMAGED, SOUND] = ['example.org/damaged', 'example.org/sound'].map(parseGun)

/** The store, with the root or the head of one repository damaged. */
const damagedIn = (store: Store, part: 'root' | 'head'): Store => {
  const refuse = (): never => {
    throw new TrustError('CORRUPT', 'a stored record is damaged')
  }
  return {
    ...store,
    head: (gun) => (part === 'head' && gun === DAMAGED ? refuse() : store.head(gun)),
    document: (gun, role, at) => (gun === DAMAGED && role === 'root' ? refuse() : store.document(gun, role, at)),
  }
}

test('a long look for what ends is given up when the server stops, and nothing is logged', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  for (const gun of [DAMAGED, SOUND]) {
    const world = await TrustWorld.create({ gun: String(gun), now: NOW, serverKeys: keysFrom(app, String(gun)) })
    await world.publishFirst(app)
  }
  const lines: Line[] = []
  const trust: Trust = { ...app.trust, log: keptLog(lines) }
  const looked: string[] = []
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  const watching = await new Promise<ReturnType<typeof startWatchingExpiry>>((resolve) => {
    const look = async (gun: string): Promise<Ending[]> => {
      looked.push(gun)
      resolve(started)
      await stopped
      return []
    }
    const started = startWatchingExpiry(
      trust,
      YEARS,
      (until, stopping) => {
        stopping.addEventListener('abort', () => stop())
        return allEndings(trust, until, look, stopping)
      },
      () => assert.fail('it went on'),
    )
  })
  await watching.stop()
  assert.deepEqual([looked, lines], [[DAMAGED], []])
})

test('a damaged repository is reported and hides nothing of the others', async (t) => {
  const app = await startLocalApp({ now: NOW })
  t.after(() => app.close())
  for (const gun of [DAMAGED, SOUND]) {
    const world = await TrustWorld.create({ gun: String(gun), now: NOW, serverKeys: keysFrom(app, String(gun)) })
    await world.publishFirst(app)
  }
  for (const part of ['root', 'head'] as const) {
    const lines: Line[] = []
    const trust: Trust = { ...app.trust, store: damagedIn(app.trust.store, part), log: keptLog(lines) }
    const told = await new Promise<readonly Ending[]>((resolve) => {
      const watching = startWatchingExpiry(
        trust,
        YEARS,
        () => allEndings(trust, NOW + YEARS),
        async (found) => {
          void watching.stop()
          resolve(found)
        },
      )
    })
    assert.deepEqual(
      told.map(({ gun, what }) => [gun, what]),
      [
        [DAMAGED, 'damaged'],
        [SOUND, 'targets'],
        [SOUND, 'snapshot'],
      ],
    )
    assert.deepEqual(
      lines.map(({ level, gun, text }) => [level, gun, text]),
      [
        ['error', DAMAGED, 'what ends cannot be read'],
        ['warn', SOUND, 'must be renewed'],
        ['warn', SOUND, 'must be renewed'],
      ],
    )
    const metrics = createMetrics(trust, import.meta.dirname)
    metrics.endings(told)
    const text = await metrics.registry.metrics()
    assert.match(text, /^countersign_ending_within_60_days\{what="damaged"\} 1$/m)
    assert.match(text, /^countersign_min_seconds_to_timestamp_expiry 1209600$/m)
  }
})
