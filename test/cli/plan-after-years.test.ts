import { after, before, describe, test } from 'node:test'
import { makeRootKey } from '../support/test-key.ts'
import { keysFrom, TrustWorld } from '../support/trust-world.ts'
import type { Hosted } from './hosted.ts'
import { Terminal } from './terminal.ts'

const GUN = 'docker.io/acme/app'
const YEAR = 365 * 86_400_000

describe('the plan of a rotation after root certificates have ended', () => {
  let terminal: Terminal
  let server: Hosted
  const clock = { now: Date.now() }

  before(async () => {
    terminal = await Terminal.open()
    server = await terminal.host({}, () => clock.now)
  })
  after(() => terminal.close())

  test('names old roots that share a fate in one line', async () => {
    const { now } = clock
    const owner = await TrustWorld.create({ gun: GUN, now, serverKeys: keysFrom(server, GUN), snapshot: 'server' })
    const first = makeRootKey(GUN, now, { notAfter: now + YEAR })
    owner.root.keys = Object.fromEntries(
      Object.entries(owner.root.keys).filter(([id]) => !owner.root.roles['root']?.keyids.includes(id)),
    )
    owner.setKeys('root', [first])
    await owner.publishFirst(server)
    for (const _ of ['second', 'third']) await owner.publish(server, 'root')
    owner.setKeys('root', [makeRootKey(GUN, now, { notAfter: now + 3 * YEAR })])
    owner.signers.set('root', [first, ...(owner.signers.get('root') ?? [])])
    await owner.publish(server, 'root')
    clock.now += 2 * YEAR
    const line = /\n {2}clients with root versions 1 to 3 do not follow: root certificates of version 3 have expired\n/
    await terminal.prints(`key rotate ${GUN} timestamp --plan`, line, 1)
  })
})
