import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { TrustError } from '../errors.ts'

/** Docker's credentials for one registry. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /** OAuth 2 refresh token, which some registries give docker to keep instead of the password. */
  readonly identityToken?: string
}

/** Read as Go does: a missing member or null is empty. */
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

/** The members of docker's configuration file that are used. */
const configSchema = z.object({
  auths: z.record(z.string(), entrySchema.nullable()).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string().nullable()).nullish(),
})

type DockerConfig = z.output<typeof configSchema>

/** With this user name, a helper's secret is an identity token. */
const TOKEN_NAME = '<token>'
/** A helper program's name: never a path. */
const HELPER = /^[\w.-]+$/
/** What a helper says, and ends with an error, if it has nothing for an account. */
const NOT_FOUND = 'credentials not found in native keychain'
/** Longest complaint of a helper to quote, in characters. */
const COMPLAINT_MAX = 200
/** Milliseconds that a helper may take; some prompt a person. */
const HELPER_TIMEOUT = 60_000

/**
 * Returns docker's own credentials for a registry, from the environment, a helper program or `config.json`.
 *
 * @param directory docker's configuration directory, `~/.docker`
 * @param account the registry's name in the configuration
 * @param environment value of DOCKER_AUTH_CONFIG; docker 28.3 and later looks there first
 * @returns undefined if there are none
 * @throws TrustError BAD_SETTINGS if the configuration cannot be read
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

/** Reads `{"auths":{…}}`, as CI systems give it to their jobs. Like docker, ignores text that it cannot parse. */
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
  // Old versions of docker padded it with NULs; docker strips them.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, '') }
}

/** Like docker, finds entries that old versions wrote with a scheme and a path: `https://registry.example/v1/`. */
function byHost(auths: DockerConfig['auths'], account: string): Entry | undefined {
  const hostOf = (name: string): string => name.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  return Object.entries(auths ?? {}).find(([name]) => hostOf(name) === hostOf(account))?.[1] ?? undefined
}

async function readConfig(path: string): Promise<DockerConfig> {
  try {
    const text = await readFile(path, 'utf8')
    // Like docker, take an empty file for an empty configuration.
    return text.trim() === '' ? {} : configSchema.parse(JSON.parse(text))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    // Leave out the parser's message: it quotes the file, which holds passwords.
    throw new TrustError('BAD_SETTINGS', `cannot read docker's configuration ${path}`)
  }
}

/** Runs `docker-credential-NAME get`: the account on standard input, JSON on standard output. */
async function fromHelper(name: string, account: string): Promise<Credentials | undefined> {
  if (!HELPER.test(name)) throw new TrustError('BAD_SETTINGS', `"${name}" is not the name of a credential helper`)
  const program = `docker-credential-${name}`
  // Not the `timeout` option: if the program does not exist, its timer keeps the command alive for a minute.
  const signal = AbortSignal.timeout(HELPER_TIMEOUT)
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' })
  const refuse = (cause: unknown): never => {
    const why = signal.aborted ? 'does not answer' : 'cannot be run'
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which ${why}`, { cause })
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(account)
  const answering = Promise.all([text(child.stdout), once(child, 'exit')]).catch(refuse)
  // A process that the helper started may hold its output open after the helper has exited; the child reports no error
  // then.
  const silent = once(signal, 'abort').then(refuse)
  const [answer, [code]] = await Promise.race([answering, silent]).finally(() => child.stdout.destroy())
  const said = answer.trim()
  if (said === NOT_FOUND) return undefined
  if (code !== 0) {
    // An answer, perhaps after a warning, may hold a password.
    const why = said === '' || said.includes('{') ? '' : `: ${said.slice(0, COMPLAINT_MAX)}`
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which fails${why}`)
  }
  try {
    const { Username: username, Secret: password } = JSON.parse(said) as { Username?: string; Secret?: string }
    // Like docker, treat empty ones as none.
    if (!username || !password) return undefined
    return username === TOKEN_NAME ? { username, password: '', identityToken: password } : { username, password }
  } catch {
    return undefined
  }
}
