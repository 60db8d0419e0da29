import { Command } from 'commander'
import type { z } from 'zod'
import { parsed } from '../../admin/operation.ts'
import { listTags, removeTag, signManyTags, signTag } from '../../admin/tags.ts'
import { TrustError } from '../../errors.ts'
import { trustingAsDocker } from '../../registry/docker-authorities.ts'
import { readManifest, type ManifestFacts } from '../../registry/manifest.ts'
import { registryPlace } from '../../registry/reference.ts'
import { parseGun, shellQuoted } from '../../tuf/gun.ts'
import { dockerAuthorities, dockerLogin } from '../docker-config.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { tagRows } from '../repo/describe.ts'
import { ask } from '../run.ts'
import { counted, table, withWarnings } from '../terminal/print.ts'
import { readTagList } from './read-list.ts'

interface Options {
  as?: string
  from?: string
  ifMatch?: string
}

type Changed = Awaited<ReturnType<typeof signTag.run>>

export function tagCommand(): Command {
  const tag = new Command('tag').description('tags that the server signs')
  tag
    .command('sign')
    .description('sign a tag; digest and size come from the registry unless given')
    .argument('<gun>', 'name of the repository')
    .argument('[tag]', 'the tag')
    .argument('[digest]', 'sha256:… of the manifest')
    .argument('[size]', 'bytes of the manifest')
    .option('--from <file>', 'many tags at once: lines "TAG DIGEST SIZE"; - is standard input')
    .option('--as <signer>', 'as this signer of the server, in a repository that names it')
    .option('--if-match <etag>', 'only if the tags are as "tag list --json" showed them')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(sign)
  tag
    .command('remove')
    .description('remove signed tags')
    .argument('<gun>', 'name of the repository')
    .argument('<tag...>', 'tags')
    .option('--as <signer>', 'as this signer of the server, in a repository that names it')
    .option('--if-match <etag>', 'only if the tags are as "tag list --json" showed them')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(remove)
  tag
    .command('list')
    .description('signed tags')
    .argument('<gun>', 'name of the repository')
    .option('--as <signer>', 'those that this signer signs')
    .option('--json', 'print as JSON; with the etag for --if-match')
    .action((gun: string, { as }: Options, command: Command) =>
      ask(command, listTags, { gun, as }, ({ tags }) => {
        if (tags.length === 0) return 'no signed tags'
        const warnings = new Set(tags.flatMap(({ unseen }) => unseen ?? []))
        return withWarnings(table(tagRows(tags)), [...warnings])
      }),
    )
  return tag
}

function sign(
  gun: string,
  tag: string | undefined,
  digest: string | undefined,
  size: string | undefined,
  options: Options,
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
  { as, ifMatch }: Options,
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

function remove(gun: string, tags: string[], { as, ifMatch }: Options, command: Command): Promise<void> {
  const [only = ''] = tags
  const show = (changed: Changed): string => {
    const [first = '', ...others] = tags.filter((tag) => !changed.absent.includes(tag))
    const what = others.length === 0 ? `${gun}:${first}` : counted(others.length + 1, 'tag', 'tags')
    return changedText(changed, `no longer signs ${what}`)
  }
  if (tags.length === 1) return ask(command, removeTag, { gun, tag: only, as, ifMatch }, show)
  return ask(command, signManyTags, { gun, remove: tags, as, ifMatch }, show)
}

function changedText(
  { gun, roles, changed, leftOut, absent, shadowed, remaining, unseen }: Changed,
  done: string,
): string {
  const lines = [changed ? `${done} (${roles.join(', ')})` : 'already up to date: nothing to do']
  if (leftOut.length > 0) {
    lines.push(`not signed again, since the key that signed them is no longer trusted: ${leftOut.join(', ')}`)
  }
  if (absent.length > 0) lines.push(`not signed before: ${absent.join(', ')}`)
  const warnings = [
    ...(shadowed.length === 0
      ? []
      : [`targets/releases has something else for ${shadowed.join(', ')}, and docker uses that`]),
    ...(remaining.length === 0 ? [] : [remainingText(gun, remaining)]),
    ...(unseen === undefined ? [] : [`clients do not see it: ${unseen}`]),
  ]
  return withWarnings(lines.join('\n'), warnings)
}

function remainingText(gun: string, tags: readonly string[]): string {
  const name = shellQuoted(gun)
  return (
    `targets has ${tags.join(', ')} too, and docker uses that now: countersign tag remove ${name} TAG, without --as; ` +
    `where the owner has the targets key: notary remove -p ${name} TAG`
  )
}

async function lookUp(gun: string, tag: string): Promise<ManifestFacts> {
  const place = registryPlace(parseGun(gun))
  const authorities = dockerAuthorities(URL.parse(place.url)?.host ?? '')
  return trustingAsDocker(authorities, () => readManifest(place, tag, dockerLogin(place.account)))
}
