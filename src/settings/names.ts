import { z } from 'zod'
import { settingsSchema } from './schema.ts'

const PREFIX = 'COUNTERSIGN_'
/** Variable that names the settings file. */
export const FILE_VARIABLE = `${PREFIX}CONFIG`

/** Where to look after a mistake in the settings. */
export const CONFIG_HINT = '"countersign config" prints every setting with its help'

/** One setting. */
interface Leaf {
  /** With the names of its groups: `listen.port`. */
  readonly name: string
  readonly schema: z.ZodType
  readonly help: string
}

/** Returns all settings, without the objects that group them. */
export function leaves(): Leaf[] {
  return leavesOf(settingsSchema, [])
}

function leavesOf(schema: z.ZodType, path: readonly string[]): Leaf[] {
  const inner = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return [{ name: path.join('.'), schema: inner, help: schema.description ?? '' }]
  return Object.entries(inner.shape).flatMap(([name, member]) => leavesOf(member as z.ZodType, [...path, name]))
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return unwrap(schema.unwrap() as z.ZodType)
  }
  return schema
}

/** `listen.port` → COUNTERSIGN_LISTEN_PORT */
export function variableOf(name: string): string {
  return PREFIX + name.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()
}

/** @returns undefined if it or one of its groups is missing */
export function valueAt(object: unknown, name: string): unknown {
  return name
    .split('.')
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], object)
}

/** Sets a value and makes the groups around it. Leaves anything else in a group's place for the schema to refuse. */
export function setAt(object: Record<string, unknown>, name: string, value: unknown): void {
  const [first = '', ...rest] = name.split('.')
  if (rest.length === 0) {
    object[first] = value
    return
  }
  const group = (object[first] ??= {})
  if (isGroup(group)) setAt(group, rest.join('.'), value)
}

/** True for an object that is neither a list nor null. */
export function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the known name with the most letters in common at both ends; good enough for typing errors. */
export function nearest(name: string, known: readonly string[]): string {
  const common = (other: string): number => {
    const short = Math.min(name.length, other.length)
    let front = 0
    while (front < short && name[front] === other[front]) front += 1
    let back = 0
    while (back < short - front && name.at(-1 - back) === other.at(-1 - back)) back += 1
    return front + back - Math.abs(name.length - other.length)
  }
  return known.toSorted((one, other) => common(other) - common(one))[0] ?? ''
}

/** True for a name that may be one of our environment variables, even misspelt. */
export function isVariable(name: string): boolean {
  return name.startsWith(PREFIX) && name !== FILE_VARIABLE
}
