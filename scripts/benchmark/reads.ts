import { createHash } from 'node:crypto'
import { tufPath } from '../../test/support/upload.ts'
import { getRequest } from './connection.ts'
import { drive, Lanes, type Outcome } from './load.ts'
import type { Goals, RateMeasure } from './measure.ts'
import type { Stage } from './stage.ts'

const CONNECTIONS = 16
const REPOSITORIES = 100
const SMALL_TAGS = 10
/** As many tags make targets of 50 KB. */
const LARGE_TAGS = 560
/** Of so many responses, one is verified. */
const SAMPLE = 32

interface Readable {
  readonly path: string
  readonly sha256: string
}

export const reads: RateMeasure[] = [
  read('get-timestamp', 'GET timestamp.json', SMALL_TAGS, (files) => files.timestamp, {
    memory: { rate: 2, cpu: 0.25 },
    postgres: { rate: 15 },
  }),
  read('get-by-hash', 'GET a snapshot by hash', SMALL_TAGS, (files) => files.snapshot, {
    memory: { rate: 1.2, cpu: 0.7 },
    postgres: { rate: 1.2 },
  }),
  read('get-root', 'GET root.json', SMALL_TAGS, (files) => files.root, {
    memory: { rate: 1.2, cpu: 0.7 },
    postgres: { rate: 15 },
  }),
  read('get-targets-50k', 'GET targets of 50 KB by hash', LARGE_TAGS, (files) => files.targets, {
    memory: { rate: 1.2, cpu: 0.7 },
    postgres: { rate: 1.2 },
  }),
]

function read(
  name: string,
  title: string,
  tags: number,
  choose: (files: Files) => Readable,
  goals: Goals,
): RateMeasure {
  return {
    name,
    title: `${title}, ${CONNECTIONS} kept connections`,
    goals,
    async prepare(stage) {
      const readable = (await filesOf(stage, tags)).map(choose)
      return (seconds) => readLoad(stage, readable, seconds)
    },
  }
}

interface Files {
  readonly root: Readable
  readonly timestamp: Readable
  readonly snapshot: Readable
  readonly targets: Readable
}

async function readLoad(stage: Stage, readable: readonly Readable[], seconds: number): Promise<Outcome> {
  const lanes = new Lanes(stage.contender)
  const requests = readable.map(({ path }) => getRequest(path))
  let asked = 0
  try {
    return await drive(seconds, CONNECTIONS, async (lane) => {
      const turn = asked++
      const index = turn % requests.length
      const body = await lanes.ask(lane, requests[index]!)
      if (turn % SAMPLE === 0 && sha256(body) !== readable[index]!.sha256)
        throw new Error('not the bytes that were published')
    })
  } finally {
    lanes.close()
  }
}

/** Returns what a client would read of each repository. */
async function filesOf(stage: Stage, tags: number): Promise<Files[]> {
  const lanes = new Lanes(stage.contender)
  const files: Files[] = []
  for (const { gun } of await stage.repositories(`reads-${tags}`, REPOSITORIES, tags)) {
    const get = async (file: string): Promise<Buffer> => lanes.ask(0, getRequest(tufPath(gun, file)))
    const named = async (role: string): Promise<Readable & { meta: Meta }> => {
      const body = await get(`${role}.json`)
      const { signed } = JSON.parse(body.toString('utf8')) as { signed: { meta: Meta } }
      return { path: tufPath(gun, `${role}.json`), sha256: sha256(body), meta: signed.meta }
    }
    const hashed = (role: string, meta: Meta): Readable => {
      const sha256 = Buffer.from(meta[role]!.hashes.sha256, 'base64').toString('hex')
      return { path: tufPath(gun, `${role}.${sha256}.json`), sha256 }
    }
    const timestamp = await named('timestamp')
    const snapshot = hashed('snapshot', timestamp.meta)
    const { meta } = await named('snapshot')
    files.push({ root: await named('root'), timestamp, snapshot, targets: hashed('targets', meta) })
  }
  lanes.close()
  return files
}

type Meta = Readonly<Record<string, { readonly hashes: { readonly sha256: string } }>>

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
