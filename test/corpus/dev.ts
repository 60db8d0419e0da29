import { allCases } from './cases.ts'
import { makeScene, type Stage } from './scenes.ts'
import { openLocalTrust, localKeys, TEST_ACTOR } from '../support/local-trust.ts'
import { publish } from '../../src/repository/publish.ts'
import { readCurrent, readConsistent } from '../../src/repository/read.ts'
import { ReferenceClient, type Fetch } from '../support/reference-client.ts'
import { parseGun } from '../../src/tuf/gun.ts'
import { TrustError } from '../../src/errors.ts'
import { NOW } from './case.ts'
import type { Role } from '../../src/tuf/role.ts'
const cases = allCases()
const counts: Record<string, number> = {}
for (const c of cases) counts[c.group] = (counts[c.group] ?? 0) + 1
console.log(cases.length, counts)
const names = new Set<string>()
for (const c of cases) {
  const n = c.group + c.name
  if (names.has(n)) console.log('DUP', n)
  names.add(n)
}
const local = await openLocalTrust(NOW)
const { trust } = local
const stage: Stage = {
  serverKeys: (gun) => localKeys(trust, gun),
  send: (world, parts) =>
    publish(
      trust,
      parseGun(world.gun),
      parts.map((p) => ({ filename: p.role, bytes: p.bytes })),
      TEST_ACTOR,
    ),
}
const t0 = Date.now()
const bases = {
  'client-snapshot': await makeScene(stage, 'corpus.example/team/app', 'client-snapshot'),
  'server-snapshot': await makeScene(stage, 'corpus.example/team/server', 'server-snapshot'),
  unpublished: await makeScene(stage, 'corpus.example/team/new', 'unpublished'),
}
const other = await makeScene(
  stage,
  'corpus.example/another',
  'client-snapshot',
  (await import('../support/test-key.ts')).makeKey('ecdsa'),
)
const fetch =
  (gun: string): Fetch =>
  async (file) => {
    const g = parseGun(gun)
    let m
    let d
    if ((m = /^(\d+)\.(.*)\.json$/.exec(file))) d = readConsistent(trust, g, m[2] as Role, { version: Number(m[1]) })
    else if ((m = /^(.*)\.([0-9a-f]{64})\.json$/.exec(file)))
      d = readConsistent(trust, g, m[1] as Role, { sha256: m[2]! })
    else d = await readCurrent(trust, g, file.replace('.json', '') as Role)
    return d === undefined ? { status: 404, body: Buffer.alloc(0) } : { status: 200, body: Buffer.from(d.bytes) }
  }
let n = 0,
  wrong = 0
for (const c of cases) {
  let sent
  const world = (c.changes ? await makeScene(stage, `corpus.example/own/${n}`, c.scene) : bases[c.scene]).fork()
  n++
  try {
    sent = c.send(world, other.fork())
  } catch (e) {
    console.log('BROKEN CASE', c.group, c.name, e)
    continue
  }
  if (!Array.isArray(sent)) continue
  let got: string
  const tail = trust.store.tail().number
  try {
    await publish(
      trust,
      parseGun(world.gun),
      sent.map((p) => ({ filename: p.role, bytes: p.bytes })),
      TEST_ACTOR,
    )
    got = '200'
  } catch (e) {
    got = e instanceof TrustError ? `400 ${e.code} ${e.problem?.name}: ${e.message}` : `THROWN ${(e as Error).stack}`
  }
  const want = c.expected.status === 200 ? '200' : `400 ${c.expected.code} ${c.expected.problem}`
  const ok = want === '200' ? got === '200' : got.startsWith(want + ':')
  if (!ok) {
    wrong++
    console.log('DIFF', c.group, '|', c.name, '| want', want, '| got', got.slice(0, 300))
  }
  if (got !== '200' && trust.store.tail().number !== tail) console.log('CHANGED', c.name)
  if (process.env.V && got !== '200') console.log(c.group, c.name, '->', got.slice(0, 150))
  if (c.scene !== 'unpublished')
    try {
      await new ReferenceClient(world.gun, fetch(world.gun), () => NOW).update()
    } catch (e) {
      console.log('UNREADABLE', c.group, c.name, e)
    }
}
console.log('wrong', wrong, Date.now() - t0, 'ms')
await local.close()
