import { z } from 'zod'

/*
 * Building blocks of the schemas of answers. Unlike those of inputs, their objects are not strict: a later version may add
 * members. Tests nevertheless allow no further member in any answer.
 */

/** A list that nobody changes, as all layers return it. */
export function list<Item extends z.ZodType>(item: Item): z.ZodReadonly<z.ZodArray<Item>> {
  return z.array(item).readonly()
}

/** Names, or sentences for people such as warnings. */
export const texts = list(z.string())

/** The operation succeeded. */
export const done = z.literal(true)

/** A number of things: 0 or more. */
export const count = z.int().min(0)

/** RFC 3339, UTC. */
export const time = z.iso.datetime()

export const milliseconds = z.int().meta({ description: 'milliseconds since 1970' })

const HEX = /^[0-9a-f]{64}$/

export const sha256 = z.string().regex(HEX).meta({ description: 'SHA-256, hex' })

export const keyId = z.string().regex(HEX).meta({ description: 'id of a key, as people and key files name it' })
