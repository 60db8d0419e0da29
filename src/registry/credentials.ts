import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { TrustError } from '../errors.ts'

/** What docker has for one registry. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /** What some registries give docker to keep instead of the password (OAuth 2 refresh token). */
  readonly identityToken?: string
}

interface Entry {
  readonly auth?: string
  readonly identitytoken?: string
}

/** What is used of docker's configuration file. */
interface DockerConfig {
  readonly auths?: Readonly<Record<string, Entry>>
  readonly credsStore?: string
  readonly credHelpers?: Readonly<Record<string, string>>
}

/** For this user, a helper's secret is an identity token. */
const TOKEN_NAME = '<token>'
/** Names of helper programs: never a path. */
const HELPER = /^[\w.-]+$/
/** Milliseconds that a helper may take; some ask a person. */
const HELPER_TIMEOUT = 60_000

/**
 * docker's own credentials for a registry: from a helper program or from `config.json`.
 *
 * @param directory docker's configuration directory, `~/.docker`
 * @param account as the configuration names the registry
 * @returns undefined if there are none
 * @throws TrustError BAD_SETTINGS for a configuration that cannot be read
 */
export async function dockerCredentials(directory: string, account: string): Promise<Credentials | undefined> {
  const config = await readConfig(join(directory, 'config.json'))
  const helper = config.credHelpers?.[account] ?? config.credsStore
  if (helper !== undefined && helper !== '') return fromHelper(helper, account)
  const { auth = '', identitytoken: identityToken } = config.auths?.[account] ?? byHost(config.auths, account) ?? {}
  const decoded = Buffer.from(auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  if (colon === -1) return undefined
  const basic = { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
  return identityToken ? { ...basic, identityToken } : basic
}

/** docker finds what older versions of it wrote with a scheme and a path: `https://registry.example/v1/`. */
function byHost(auths: DockerConfig['auths'], account: string): Entry | undefined {
  const hostOf = (name: string): string => name.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  return Object.entries(auths ?? {}).find(([name]) => hostOf(name) === hostOf(account))?.[1]
}

async function readConfig(path: string): Promise<DockerConfig> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as DockerConfig
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
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], signal })
  const failed = once(child, 'error').then(([cause]) => {
    const why = signal.aborted ? 'does not answer' : 'cannot be run'
    throw new TrustError('BAD_SETTINGS', `docker's configuration names ${program}, which ${why}`, { cause })
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(account)
  const [answer] = await Promise.race([Promise.all([text(child.stdout), once(child, 'exit')]), failed])
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
