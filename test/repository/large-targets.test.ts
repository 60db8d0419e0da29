import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLocalApp } from '../support/local-app.ts'
import { fileMeta } from '../support/metadata-file.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'

const GUN = 'docker.io/acme/many-tags'
const NOW = Date.UTC(2026, 10, 24)

test('targets of megabytes are not read and parsed anew for each publish, as those of 20,000 tags are', async (t) => {
  const read: string[] = []
  const app = await startLocalApp({
    now: NOW,
    alter: ({ store }) => ({
      store: {
        ...store,
        document(gun, role, at) {
          read.push(role)
          return store.document(gun, role, at)
        },
      },
    }),
  })
  t.after(() => app.close())
  const world = await TrustWorld.create({ gun: GUN, now: NOW, serverKeys: keysFrom(app, GUN), snapshot: 'server' })
  world.addTarget('large', 'targets', { ...fileMeta(Buffer.of()), custom: { text: 'x'.repeat(3_800_000) } })
  await world.publishFirst(app)
  const readsOf = async (tag: string): Promise<string[]> => {
    read.length = 0
    world.addTarget(tag)
    await world.publish(app, 'targets')
    return read.filter((role) => role === 'targets')
  }
  await readsOf('v2')
  assert.deepEqual(await readsOf('v3'), [])
})
