import { z } from 'zod'

/*
 * What the schemas of answers are made of. Their objects are not strict, as those of inputs are: a later version may say
 * more. Tests hold every answer against its schema all the same, with no member more.
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
