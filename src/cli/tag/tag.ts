import { Command } from 'commander'
import { listTags, removeTag, signManyTags } from '../../admin/tags.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { tagRows } from '../repo/describe.ts'
import { ask } from '../run.ts'
import { counted, table, withWarnings } from '../terminal/print.ts'
import { changedText, type Changed } from './changed-text.ts'
import { sign } from './sign.ts'

interface Options {
  as?: string
  ifMatch?: string
}

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
