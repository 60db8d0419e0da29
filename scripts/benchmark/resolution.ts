import { createHash } from 'node:crypto'
import { tufPath } from '../../test/support/upload.ts'
import { Connection, askOnce, getRequest, withToken, type Answer } from './connection.ts'
import { drive, Exhausted, type Outcome } from './load.ts'
import type { Goals, RateMeasure } from './measure.ts'
import type { Stage } from './stage.ts'

const RESOLVERS = 8
const REPOSITORIES = 100
const TAGS = 10
/** Tokens prepared for each second: about what the fastest server can handle. */
const TOKENS_PER_SECOND = 3_500

type Meta = Readonly<Record<string, { readonly hashes: { readonly sha256: string }; readonly length: number }>>
/** GETs a file of one repository. */
type Get = (file: string) => Promise<Answer>

/** A client with an empty cache reads a repository, and verifies every hash. */
export const resolution: RateMeasure[] = [
  resolve('cold-resolution', 'kept connections', { memory: { rate: 1.2, cpu: 0.5 }, postgres: { rate: 5 } }, onKept),
  resolve(
    'cold-resolution-tls-each',
    'a TLS connection each',
    { memory: { rate: 1.2, cpu: 0.7 }, postgres: { rate: 2 } },
    async (stage, _kept, _lane, work) => {
      const connection = new Connection(stage.contender)
      try {
        await work((request) => connection.ask(request))
      } finally {
        connection.close()
      }
    },
  ),
  resolve(
    'cold-resolution-tls-per-request',
    'a TLS connection per request',
    { memory: { rate: 1.15, cpu: 0.7 }, postgres: { rate: 1.4 } },
    async (stage, _kept, _lane, work) => work((request) => askOnce(stage.contender, request)),
    { last: true },
  ),
  resolveWithTokens(),
]

type Ask = (request: Uint8Array) => Promise<Answer>
type Connecting = (stage: Stage, kept: Connection[], lane: number, work: (ask: Ask) => Promise<void>) => Promise<void>

async function onKept(...[stage, kept, lane, work]: Parameters<Connecting>): Promise<void> {
  const connection = (kept[lane] ??= new Connection(stage.contender))
  await work((request) => connection.ask(request))
}

/** @param asks last: the server should close the connection after each response, as docker and notary ask */
function resolve(name: string, how: string, goals: Goals, connecting: Connecting, { last = false } = {}): RateMeasure {
  return {
    name,
    title: `cold client resolves a repository, ${how}, ${RESOLVERS} clients`,
    goals,
    async prepare(stage) {
      const guns = await gunsOf(stage)
      let turn = 0
      return (seconds) =>
        load(seconds, async (kept, lane) => {
          const gun = guns[turn++ % guns.length]!
          await connecting(stage, kept, lane, (ask) => coldClient((file) => ask(getRequest(tufPath(gun, file), last))))
        })
    },
  }
}

/** For servers that require tokens: each client has one of its own, as docker gets one for each pull. */
function resolveWithTokens(): RateMeasure {
  return {
    name: 'cold-resolution-token',
    title: `cold client with a token of its own (RS256) resolves a repository, kept connections, ${RESOLVERS} clients`,
    goals: { memory: { rate: 1.2, cpu: 0.5 }, postgres: { rate: 5 } },
    tokens: true,
    async prepare(stage, seconds) {
      const guns = await gunsOf(stage)
      const tokens = await Promise.all(
        Array.from({ length: TOKENS_PER_SECOND * seconds }, async (_, index) => {
          const gun = guns[index % guns.length]!
          return { gun, token: (await stage.contender.tokens?.token(gun, ['pull'])) ?? '' }
        }),
      )
      return (duration) =>
        load(duration, async (kept, lane) => {
          const { gun, token } = tokens.pop() ?? exhausted()
          await onKept(stage, kept, lane, (ask) =>
            coldClient((file) => ask(withToken(getRequest(tufPath(gun, file)), token))),
          )
        })
    },
  }
}

async function gunsOf(stage: Stage): Promise<string[]> {
  return (await stage.repositories('resolution', REPOSITORIES, TAGS)).map(({ gun }) => gun)
}

async function load(seconds: number, work: (kept: Connection[], lane: number) => Promise<void>): Promise<Outcome> {
  const kept: Connection[] = []
  const outcome = await drive(seconds, RESOLVERS, (lane) => work(kept, lane))
  for (const connection of kept) connection?.close()
  return outcome
}

function exhausted(): never {
  throw new Exhausted()
}

/** @throws Error if hashes or lengths do not match */
async function coldClient(get: Get): Promise<void> {
  const root = read(await get('root.json'))
  const timestamp = read(await get('timestamp.json'))
  const snapshot = read(await get(hashed('snapshot', timestamp.meta)), timestamp.meta['snapshot'])
  if (snapshot.meta['root']?.hashes.sha256 !== root.sha256) throw new Error('the snapshot names another root')
  read(await get(hashed('targets', snapshot.meta)), snapshot.meta['targets'])
}

function read({ status, body }: Answer, named?: Meta[string]): { sha256: string; meta: Meta } {
  if (status !== 200) throw new Error(`${status} ${body.toString('utf8', 0, 200)}`)
  const sha256 = createHash('sha256').update(body).digest('base64')
  if (named !== undefined && (named.hashes.sha256 !== sha256 || named.length !== body.length))
    throw new Error('other bytes than named')
  const { signed } = JSON.parse(body.toString('utf8')) as { signed: { meta?: Meta } }
  return { sha256, meta: signed.meta ?? {} }
}

function hashed(role: string, meta: Meta): string {
  return `${role}.${Buffer.from(meta[role]?.hashes.sha256 ?? '', 'base64').toString('hex')}.json`
}
