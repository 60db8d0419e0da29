import { z } from 'zod'
import { parsePattern } from '../access/grant.ts'
import { parseName } from '../access/user.ts'
import { parseGun } from '../tuf/gun.ts'

/* Building blocks of the schemas of inputs. Lengths are in characters: anything longer is not what it claims to be. */

/** Of a name or an id that is looked up as given. */
const NAME_MAX_LENGTH = 100
/** Of a key or certificate as text: an RSA 16384 certificate is the longest. */
export const KEY_MAX_LENGTH = 16_384

/** A repository's name, validated. @throws TrustError INVALID_GUN */
export const gunInput = z
  .string()
  .meta({ description: 'name of a repository, docker.io/acme/app say' })
  .transform((text) => parseGun(text))

/** A pattern of repositories, validated. @throws TrustError INVALID_PARAMETERS */
export const patternInput = z
  .string()
  .meta({ description: 'docker.io/acme/app, docker.io/acme/*, or *' })
  .transform((text) => parsePattern(text))

/** The digest of a manifest. */
export const digestInput = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must look like sha256:0123…')

/** A checksum, or the id of a key. */
export const hexInput = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')

/** Returns a digest as metadata and journal write it: hex. */
export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length)
}

/** The name of a user or token. */
export const nameInput = z
  .string()
  .transform((text) => parseName(text))
  .meta({ description: 'a-z, 0-9, ".", "_", "-", "@", "$", "+"' })

/** A name or an id to look up; the operation says if there is none. */
export const someName = z.string().min(1).max(NAME_MAX_LENGTH)

/** A list in a query, where one of a single item is just that item. */
export function queryList<Item extends z.ZodType<unknown, string>>(list: z.ZodArray<Item>) {
  return z.preprocess(
    (given: z.input<Item> | readonly z.input<Item>[]) => (typeof given === 'string' ? [given] : given),
    list,
  )
}

/** A key or certificate, in base64. */
export const keyText = z.base64().max(KEY_MAX_LENGTH)
