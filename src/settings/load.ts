import { join } from 'node:path'
import type { z } from 'zod'
import { TrustError } from '../errors.ts'
import { plainIssue } from '../plain-issues.ts'
import { readEnvironment } from './environment.ts'
import { readSettingsFile } from './file.ts'
import { CONFIG_HINT, FILE_VARIABLE, leaves, nearest, setAt, valueAt, variableOf } from './names.ts'
import { contradictions } from './rules.ts'
import { ANCHOR, KEEP_ALIVE_FOR_PROXIES, settingsSchema, type Settings } from './schema.ts'

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

/** Maps the names of settings to where their values come from; the others have their default. */
type Origins = ReadonlyMap<string, 'file' | 'environment'>

function load({ file, environment }: SettingsSources): { settings: Settings; origins: Origins } {
  const path = file ?? environment[FILE_VARIABLE]
  const { input, mistakes: fileMistakes } = path === undefined ? { input: {}, mistakes: [] } : readSettingsFile(path)
  const { values, mistakes: variableMistakes } = readEnvironment(environment)
  const fromFile = leaves().filter(({ name }) => valueAt(input, name) !== undefined)
  const origins: Origins = new Map([
    ...fromFile.map(({ name }) => [name, 'file'] as const),
    ...[...values.keys()].map((name) => [name, 'environment'] as const),
  ])
  for (const [name, value] of values) setAt(input, name, value)
  const parsed = settingsSchema.safeParse(input, { error: plainIssue })
  const mistakes = [
    ...fileMistakes,
    ...variableMistakes,
    ...(parsed.success ? contradictions(parsed.data) : parsed.error.issues.map((issue) => mistakeOf(issue, origins))),
  ]
  if (!parsed.success || mistakes.length > 0) {
    const lines = mistakes.map((text) => `  ${text}`).join('\n')
    throw new TrustError('BAD_SETTINGS', `the settings are not valid:\n${lines}`, { hint: CONFIG_HINT })
  }
  const { keysDirectory, anchorFile = join(keysDirectory, ANCHOR), listen, limits } = parsed.data
  const isBehindProxy = listen.plainHttp !== undefined || listen.trustedProxies.length > 0
  if (isBehindProxy && !origins.has('limits.keepAliveSeconds')) limits.keepAliveSeconds = KEEP_ALIVE_FOR_PROXIES
  return { settings: { ...parsed.data, anchorFile }, origins }
}

function mistakeOf(issue: z.core.$ZodIssue, origins: Origins): string {
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
