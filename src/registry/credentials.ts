import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { TrustError } from '../errors.ts'

/** What docker has for one registry. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /** What some registries give docker to keep instead of the password (OAuth 2 refresh token). */
  readonly identityToken?: string
}

/** As Go reads it: what is not there, or null, is empty. */
const word = z
  .string()
  .nullish()
  .transform((value) => value ?? '')

const entrySchema = z.object({
  /** `user:password` in base64, as docker itself writes it. */
  auth: word,
  /** As other programs write it. */
  username: word,
  password: word,
  identitytoken: word,
})

type Entry = z.output<typeof entrySchema>

/** What is used of docker's configuration file. */
const configSchema = z.object({
  auths: z.record(z.string(), entrySchema.nullable()).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string().nullable()).nullish(),
})

type DockerConfig = z.output<typeof configSchema>

/** For this user, a helper's secret is an identity token. */
const TOKEN_NAME = '<token>'
/** Names of helper programs: never a path. */
const HELPER = /^[\w.-]+$/
/** Milliseconds that a helper may take; some ask a person. */
const HELPER_TIMEOUT = 60_000

/**
 * docker's own credentials for a registry: from the environment, from a helper program or from `config.json`.
 *
 * @param directory docker's configuration directory, `~/.docker`
 * @param account as the configuration names the registry
 * @param environment what DOCKER_AUTH_CONFIG holds: docker 28.3 and later looks there before all else
 * @returns undefined if there are none
 * @throws TrustError BAD_SETTINGS for a configuration that cannot be read
 */
export async function dockerCredentials(
  directory: string,
  account: string,
  environment = '',
): Promise<Credentials | undefined> {
  const given = inEnvironment(environment, account)
  if (given !== undefined) return given
  const config = await readConfig(join(directory, 'config.json'))
  const helper = config.credHelpers?.[account] ?? config.credsStore
  if (helper) return fromHelper(helper, account)
  const entry = config.auths?.[account] ?? byHost(config.auths, account)
  if (entry === undefined) return undefined
  const basic = basicOf(entry)
  if (entry.identitytoken !== '') return { ...basic, identityToken: entry.identitytoken }
  return basic.username === '' && basic.password === '' ? undefined : basic
}

/** `{"auths":{…}}`, as CI systems give it to their jobs. As for docker: what it cannot read says nothing. */
function inEnvironment(text: string, account: string): Credentials | undefined {
  try {
    const entry = configSchema.parse(JSON.parse(text)).auths?.[account]
    const found = entry && basicOf(entry)
    return found?.username === '' ? undefined : (found ?? undefined)
  } catch {
    return undefined
  }
}

function basicOf({ auth, username, password }: Entry): Credentials {
  if (auth === '') return { username, password }
  const decoded = Buffer.from(auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon === -1) return { username: '', password: '' }
  // Old versions of docker filled it up, and docker takes that off again.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, '') }
}

/** docker finds what older versions of it wrote with a scheme and a path: `https://registry.example/v1/`. */
function byHost(auths: DockerConfig['auths'], account: string): Entry | undefined {
  const hostOf = (name: string): string => name.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  return Object.entries(auths ?? {}).find(([name]) => hostOf(name) === hostOf(account))?.[1] ?? undefined
}

async function readConfig(path: string): Promise<DockerConfig> {
  try {
    const text = await readFile(path, 'utf8')
    // As for docker: an empty file says nothing.
    return text.trim() === '' ? {} : configSchema.parse(JSON.parse(text))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    // Without the parser's words: they quote the file, which has passwords.
    throw new TrustError('BAD_SETTINGS', `cannot read docker's configuration ${path}`)
  }
}

/** `docker-credential-NAME get`: the account on standard input, JSON on standard output. */
async function fromHelper(name: string, account: string): Promise<Credentials | undefined> {
  if (!HELPER.test(name)) throw new TrustError('BAD_SETTINGS', `"${name}" is no name of a credential helper`)
  const program = `docker-credential-${name}`
  // Not as `timeout`: of a program that is not there its timer goes on, and the command would end a minute later.
  const signal = AbortSignal.timeout(HELPER_TIMEOUT)
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' })
  const refuse = (cause: unknown): never => {
    const why = signal.aborted ? 'does not answer' : 'cannot be run'
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which ${why}`, { cause })
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(account)
  const answering = Promise.all([text(child.stdout), once(child, 'exit')]).catch(refuse)
  // What it has started may hold its output when it has ended itself: that is no error of the child's.
  const silent = once(signal, 'abort').then(refuse)
  const [answer] = await Promise.race([answering, silent]).finally(() => child.stdout.destroy())
  try {
    const { Username: username, Secret: password } = JSON.parse(answer) as { Username?: string; Secret?: string }
    // As for docker: empty ones are none.
    if (!username || !password) return undefined
    return username === TOKEN_NAME ? { username, password: '', identityToken: password } : { username, password }
  } catch {
    // "credentials not found", in words.
    return undefined
  }
}
