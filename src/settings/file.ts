import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileError, messageOf, TrustError } from '../errors.ts'
import { CONFIG_HINT, FILE_VARIABLE, isGroup, leaves, setAt, valueAt } from './names.ts'
import { repeatedMembers } from './repeated-members.ts'

const FILE_HINT = `write it like { "listen": { "port": 4443 } }; ${CONFIG_HINT}`

/**
 * Reads the settings in a JSON file, not yet checked. Paths in them are made absolute: they are relative to the file.
 *
 * @returns also a sentence for each setting that is there more than once
 * @throws TrustError BAD_SETTINGS if it cannot be read, or is no JSON object
 */
export function readSettingsFile(path: string): { input: Record<string, unknown>; mistakes: string[] } {
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
  let value: unknown
  try {
    // Of another file, perhaps one with a secret, the parser's message would quote the beginning.
    if (text.trimStart().startsWith('{')) value = JSON.parse(text)
  } catch (cause) {
    const why = `cannot read the settings file ${path}: ${messageOf(cause)}`
    throw new TrustError('BAD_SETTINGS', why, { hint: FILE_HINT, cause })
  }
  if (!isGroup(value)) {
    throw new TrustError('BAD_SETTINGS', `the settings file ${path} must hold a JSON object`, { hint: FILE_HINT })
  }
  resolvePaths(value, dirname(resolve(path)))
  return { input: value, mistakes: repeatedMembers(text).map((name) => `${name}: is in the file more than once`) }
}

function resolvePaths(input: Record<string, unknown>, base: string): void {
  for (const { name } of leaves().filter(({ schema }) => schema.meta()?.['path'] === true)) {
    const value = valueAt(input, name)
    // An empty path would become the file's own directory.
    if (typeof value === 'string' && value !== '') setAt(input, name, resolve(base, value))
  }
}
