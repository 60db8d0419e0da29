import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { fileError, messageOf, TrustError } from '../errors.ts'
import { plainIssue } from '../plain-issues.ts'
import { FILE_VARIABLE, isGroup, isVariable, leaves, nearest, setAt, valueAt, variableOf } from './names.ts'
import { repeatedMembers } from './repeated-members.ts'
import { contradictions } from './rules.ts'
import { ANCHOR, KEEP_ALIVE_FOR_PROXIES, settingsSchema, type Settings } from './schema.ts'
import { serviceLinks } from './service-links.ts'

/** Where settings come from: a JSON file, then the environment over it. */
export interface SettingsSources {
  /** Path of the JSON file; default: the one that the variable COUNTERSIGN_CONFIG names. */
  readonly file?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** One row of `countersign config`. */
export interface SettingDescription {
  readonly name: string
  readonly environment: string
  readonly value: unknown
  readonly origin: 'default' | 'file' | 'environment'
  readonly help: string
}

/**
 * Loads all settings.
 *
 * @throws TrustError BAD_SETTINGS that lists every mistake on a line of its own, with the setting's name as it was
 *   written
 */
export function loadSettings(sources: SettingsSources): Settings {
  return load(sources).settings
}

/** Returns every setting with its value, origin and help. @throws TrustError BAD_SETTINGS */
export function describeSettings(sources: SettingsSources): SettingDescription[] {
  const { settings, origins } = load(sources)
  return leaves().map(({ name, help }) => ({
    name,
    environment: variableOf(name),
    value: valueAt(settings, name) ?? null,
    origin: origins.get(name) ?? 'default',
    help,
  }))
}

function load(sources: SettingsSources): { settings: Settings; origins: Map<string, 'file' | 'environment'> } {
  const mistakes: string[] = []
  const origins = new Map<string, 'file' | 'environment'>()
  const path = sources.file ?? sources.environment[FILE_VARIABLE]
  const input = path === undefined ? {} : readSettingsFile(path, mistakes)
  for (const { name } of leaves()) if (valueAt(input, name) !== undefined) origins.set(name, 'file')
  if (path !== undefined) resolvePaths(input, dirname(resolve(path)))
  overlayEnvironment(input, sources.environment, origins, mistakes)
  const parsed = settingsSchema.safeParse(input, { error: plainIssue })
  if (parsed.success) mistakes.push(...contradictions(parsed.data))
  else mistakes.push(...parsed.error.issues.map((issue) => mistakeOf(issue, origins)))
  if (!parsed.success || mistakes.length > 0) {
    const lines = mistakes.map((text) => `  ${text}`).join('\n')
    throw new TrustError('BAD_SETTINGS', `the settings are not valid:\n${lines}`, { hint: HINT })
  }
  const { keysDirectory, anchorFile = join(keysDirectory, ANCHOR), listen, limits } = parsed.data
  const isBehindProxy = listen.plainHttp !== undefined || listen.trustedProxies.length > 0
  if (isBehindProxy && !origins.has('limits.keepAliveSeconds')) limits.keepAliveSeconds = KEEP_ALIVE_FOR_PROXIES
  return { settings: { ...parsed.data, anchorFile }, origins }
}

const HINT = '"countersign config" prints every setting with its help'
const FILE_HINT = `write it like { "listen": { "port": 4443 } }; ${HINT}`

function readSettingsFile(path: string, mistakes: string[]): Record<string, unknown> {
  if (path === '') {
    throw new TrustError('BAD_SETTINGS', `the name of the settings file is empty: --config or ${FILE_VARIABLE}`)
  }
  let text
  try {
    // Some editors put a byte order mark before it.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    const hint = `--config or ${FILE_VARIABLE} names it`
    throw fileError('BAD_SETTINGS', `cannot read the settings file ${path}`, cause, hint)
  }
  try {
    const value: unknown = JSON.parse(text)
    mistakes.push(...repeatedMembers(text).map((name) => `${name}: is in the file more than once`))
    if (isGroup(value)) return value
  } catch (cause) {
    const text = `cannot read the settings file ${path}: ${messageOf(cause)}`
    throw new TrustError('BAD_SETTINGS', text, { hint: FILE_HINT, cause })
  }
  throw new TrustError('BAD_SETTINGS', `the settings file ${path} must hold a JSON object`, { hint: FILE_HINT })
}

function overlayEnvironment(
  input: Record<string, unknown>,
  environment: SettingsSources['environment'],
  origins: Map<string, 'file' | 'environment'>,
  mistakes: string[],
): void {
  const byVariable = new Map(leaves().map((leaf) => [variableOf(leaf.name), leaf]))
  const links = serviceLinks(environment)
  for (const [variable, text] of Object.entries(environment)) {
    if (!isVariable(variable) || text === undefined) continue
    const leaf = byVariable.get(variable)
    if (leaf === undefined) {
      if (links.has(variable)) continue
      mistakes.push(`${variable}: unknown setting; the nearest is ${nearest(variable, [...byVariable.keys()])}`)
      continue
    }
    setAt(input, leaf.name, fromText(leaf.schema, text))
    origins.set(leaf.name, 'environment')
  }
}

/**
 * Parses a value from the environment, where numbers and lists are plain text, and lists of objects are JSON. Leaves
 * what does not fit for the schema to refuse.
 */
function fromText(schema: z.ZodType, text: string): unknown {
  if (schema instanceof z.ZodBoolean) return text === 'true' || (text === 'false' ? false : text)
  if (schema instanceof z.ZodNumber) return text.trim() === '' ? text : Number(text)
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodObject) return jsonOf(text)
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(',').map((item) => item.trim())
  return text
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function mistakeOf(issue: z.core.$ZodIssue, origins: Map<string, 'file' | 'environment'>): string {
  const name = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    // Suggest groups too: `lisen` is `listen`, not a setting in it.
    const known = leaves().flatMap((leaf) => leaf.name.split('.').map((_, at, all) => all.slice(0, at + 1).join('.')))
    // The known names do not include members of list items.
    const inList = issue.path.some((part) => typeof part === 'number')
    return issue.keys
      .map((key) => [...issue.path, key].join('.'))
      .map((each) => `${each}: unknown setting${inList ? '' : `; the nearest is ${nearest(each, known)}`}`)
      .join('\n  ')
  }
  return `${origins.get(name) === 'environment' ? variableOf(name) : name}: ${issue.message}`
}

function resolvePaths(input: Record<string, unknown>, base: string): void {
  for (const { name } of leaves().filter(({ schema }) => schema.meta()?.['path'] === true)) {
    const value = valueAt(input, name)
    // An empty path would become the file's own directory.
    if (typeof value === 'string' && value !== '') setAt(input, name, resolve(base, value))
  }
}
