import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fileError, TrustError } from '../errors.ts'
import { askHelper } from './credential-helper.ts'

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
  if (helper) {
    const found = await askHelper(helper, account)
    if (found?.username !== TOKEN_NAME) return found
    return { username: TOKEN_NAME, password: '', identityToken: found.password }
  }
  const entry = config.auths?.[account] ?? byHost(config.auths, account)
  if (entry === undefined) return undefined
  const basic = credentialsIn(entry)
  if (entry.identitytoken !== '') return { ...basic, identityToken: entry.identitytoken }
  return basic.username === '' && basic.password === '' ? undefined : basic
}

/** Returns the `Authorization` value of a password; undefined if there is none: like docker, takes half a login for none. */
export function basicOf({ username, password }: Credentials): string | undefined {
  if (username === '' || password === '') return undefined
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Reads `{"auths":{…}}`, as CI systems give it to their jobs. Like docker, ignores text that it cannot parse. */
function inEnvironment(text: string, account: string): Credentials | undefined {
  try {
    const entry = configSchema.parse(JSON.parse(text)).auths?.[account]
    const found = entry && credentialsIn(entry)
    return found?.username === '' ? undefined : (found ?? undefined)
  } catch {
    return undefined
  }
}

function credentialsIn({ auth, username, password }: Entry): Credentials {
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
  const what = `cannot read docker's configuration ${path}`
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw fileError('BAD_SETTINGS', what, cause, 'DOCKER_CONFIG can name another directory')
  })
  try {
    // Like docker, take an empty file for an empty configuration.
    return text.trim() === '' ? {} : configSchema.parse(JSON.parse(text))
  } catch {
    // Leave out the parser's message: it quotes the file, which holds passwords.
    throw new TrustError('BAD_SETTINGS', `${what}: it is not JSON as docker writes it`)
  }
}
