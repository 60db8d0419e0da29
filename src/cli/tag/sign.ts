import type { Command } from 'commander'
import type { z } from 'zod'
import { parsed } from '../../admin/operation.ts'
import { signManyTags, signTag } from '../../admin/tags.ts'
import { TrustError } from '../../errors.ts'
import { trustingAsDocker } from '../../registry/docker-authorities.ts'
import { readManifest, type ManifestFacts } from '../../registry/manifest.ts'
import { registryPlace } from '../../registry/reference.ts'
import { parseGun } from '../../tuf/gun.ts'
import { dockerAuthorities, dockerLogin } from '../docker-config.ts'
import { ask } from '../run.ts'
import { counted } from '../terminal/print.ts'
import { changedText, type Changed } from './changed-text.ts'
import { readTagList } from './read-list.ts'

export interface SignOptions {
  as?: string
  from?: string
  ifMatch?: string
}

/** Has the server sign one tag, or those in a list. */
export function sign(
  gun: string,
  tag: string | undefined,
  digest: string | undefined,
  size: string | undefined,
  options: SignOptions,
  command: Command,
): Promise<void> {
  const { as, from, ifMatch } = options
  if (from !== undefined) return signListed(gun, tag, from, options, command)
  let seen = ''
  const input = async (): Promise<z.input<typeof signTag.input>> => {
    if (tag === undefined)
      throw new TrustError('INVALID_PARAMETERS', 'which tag?', {
        hint: 'give the name and the tag as two words, GUN TAG; for many tags: --from FILE',
      })
    if ((digest === undefined) !== (size === undefined)) {
      throw new TrustError('INVALID_PARAMETERS', 'a digest needs the size of its manifest', {
        hint: 'give both; or give neither, to look them up in the registry',
      })
    }
    // Do not ask the registry for a tag that cannot be signed.
    parsed({ input: signTag.input.pick({ gun: true, tag: true }) }, { gun, tag })
    if (digest === undefined) {
      const facts = await lookUp(gun, tag)
      seen = `, which the registry says is ${facts.digest}`
      return { gun, tag, ...facts, as, ifMatch }
    }
    if (!/^\d+$/.test(size ?? '')) throw new TrustError('INVALID_PARAMETERS', 'the size must be a number of bytes')
    return { gun, tag, digest, size: Number(size), as, ifMatch }
  }
  return ask(command, signTag, input, (changed) => changedText(changed, `signed ${gun}:${tag ?? ''}${seen}`))
}

/** Signs the tags in a list. @param tag must not be given, too */
function signListed(
  gun: string,
  tag: string | undefined,
  from: string,
  { as, ifMatch }: SignOptions,
  command: Command,
): Promise<void> {
  let count = 0
  const input = async (): Promise<z.input<typeof signManyTags.input>> => {
    if (tag !== undefined) throw new TrustError('INVALID_PARAMETERS', 'use either a tag or --from')
    const set = await readTagList(from)
    count = set.length
    return { gun, set, as, ifMatch }
  }
  const show = (changed: Changed): string =>
    count === 0
      ? `nothing to do: ${from} contains no tags`
      : changedText(changed, `signed ${counted(count, 'tag', 'tags')} of ${gun}`)
  return ask(command, signManyTags, input, show)
}

/** Asks the registry for digest and size of the tag's manifest. @throws TrustError INVALID_PARAMETERS, NOT_FOUND, REGISTRY */
async function lookUp(gun: string, tag: string): Promise<ManifestFacts> {
  const place = registryPlace(parseGun(gun))
  const authorities = dockerAuthorities(URL.parse(place.url)?.host ?? '')
  return trustingAsDocker(authorities, () => readManifest(place, tag, dockerLogin(place.account)))
}
