import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Lanes } from './load.ts'
import type { FigureMeasure } from './measure.ts'
import type { CountersignServer } from './countersign-server.ts'
import { median } from './statistics.ts'
import type { Stage } from './stage.ts'

const TAGS = 5_000
const AT_ONCE = 1_000
const TIMES = 20
const GUN = 'bench.example/signed/app'

/** Tags that the server signs, compared with a publisher's full rewrite of as many. */
export const serverSigning: FigureMeasure[] = [
  {
    name: 'server-signed-tags',
    figures: [
      { title: 'the server signs 1 tag into 5,000', unit: 'ms' },
      { title: 'the server signs 1,000 tags of 5,000 in one call', unit: 'ms' },
      { title: 'for comparison: a publisher rewrites all 5,000', unit: 'ms' },
    ],
    of: ['countersign'],
    async find(stage) {
      const server = stage.contender as CountersignServer
      await server.createRepository(GUN)
      const path = `/api/v1/repositories/${encodeURIComponent(GUN)}/tags`
      const sign = (first: number, count: number): Promise<number> =>
        timed(() => ask(server.controlSocket, path, { set: tagsFrom(first, count) }))
      for (let first = 0; first < TAGS; first += AT_ONCE) await sign(first, AT_ONCE)
      const one: number[] = []
      const many: number[] = []
      for (let time = 0; time < TIMES; time += 1) {
        one.push(await sign(time * 7, 1))
        many.push(await sign((time * AT_ONCE) % TAGS, AT_ONCE))
      }
      return [median(one), median(many), await fullRewrite(stage)]
    },
  },
]

async function fullRewrite(stage: Stage): Promise<number | undefined> {
  const [publisher] = await stage.repositories('rewrite', 1, TAGS)
  const lanes = new Lanes(stage.contender)
  const took: number[] = []
  for (let time = 0; time < TIMES; time += 1) {
    const upload = publisher!.next()
    took.push(await timed(() => lanes.ask(0, upload)))
  }
  lanes.close()
  return median(took)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

function tagsFrom(first: number, count: number): object[] {
  return Array.from({ length: count }, (_, index) => {
    const digest = `sha256:${createHash('sha256').update(randomBytes(32)).digest('hex')}`
    return { tag: `v${String(first + index).padStart(6, '0')}`, digest, size: 1570 }
  })
}

/** @throws Error for every status but 200 */
async function ask(socketPath: string, path: string, body: object): Promise<void> {
  const asked = request({ socketPath, path, method: 'POST', headers: { 'content-type': 'application/json' } })
  asked.end(JSON.stringify(body))
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const text = (await answer.setEncoding('utf8').toArray()).join('')
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${text.slice(0, 200)}`)
}
