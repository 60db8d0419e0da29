import { Command } from 'commander'
import type { TagPolicy } from '../admin/enforce-policies.ts'
import { listPolicies, removePolicy, setPolicy, showPolicy } from '../admin/policies.ts'
import type { DamagedRow } from '../admin/rows.ts'
import { TrustError } from '../errors.ts'
import { exitCodeOfList, DAMAGED, isDamaged } from './list.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from './options.ts'
import { ask } from './run.ts'
import { table, withWarnings } from './terminal/print.ts'

interface Options {
  rule?: string[]
  json?: true
}

const RULE_HELP = 'GUNS:TAGS[:move][:checked=MINUTES], as in docker.io/acme/*:v*:checked=10; may be repeated'

export function policyCommand(): Command {
  const policy = new Command('policy').description('which tags a signer, user or token may have signed')
  policy
    .command('set')
    .description('allow only what one of these rules allows')
    .argument('<subject>', 'signer:NAME, user:NAME, token:NAME')
    .requiredOption('--rule <rule...>', RULE_HELP)
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((subject: string, { rule = [] }: Options, command: Command) =>
      ask(
        command,
        setPolicy,
        async () => ({ subject, rules: rule.map(ruleOf) }),
        (set) => withWarnings(show([set]), set.warnings),
      ),
    )
  policy
    .command('show')
    .description('the rules of one')
    .argument('<subject>', 'signer:NAME, user:NAME, token:NAME')
    .option(...JSON_OPTION)
    .action((subject: string, _: Options, command: Command) =>
      ask(command, showPolicy, { subject }, (found) => show([found])),
    )
  policy
    .command('list')
    .description('all rules; exit code 1: some are damaged')
    .option(...JSON_OPTION)
    .action((_: Options, command: Command) => ask(command, listPolicies, {}, show, exitCodeOfList))
  policy
    .command('remove')
    .description('remove all rules of one; only its grants limit it then')
    .argument('<subject>', 'signer:NAME, user:NAME, token:NAME')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((subject: string, _: Options, command: Command) =>
      ask(command, removePolicy, { subject }, () => `no rules for ${subject} any more`),
    )
  return policy
}

/**
 * Parses a rule. A GUN may have a colon in its host: the tags begin after the last slash.
 *
 * @throws TrustError INVALID_PARAMETERS
 */
function ruleOf(text: string): { guns: string; tags: string; move: boolean; checkedWithinMinutes: number | null } {
  const [, guns = '', tags = '', rest = ''] = /^((?:.*\/)?[^/:]+):([^:/]+)((?::[^:]+)*)$/.exec(text) ?? []
  const words = rest.split(':').filter((word) => word !== '')
  const checked = words.find((word) => word.startsWith('checked='))?.slice('checked='.length)
  const known = words.every((word) => word === 'move' || word.startsWith('checked='))
  const minutes = checked === undefined ? null : Number(checked)
  if (guns !== '' && known && (minutes === null || (minutes > 0 && minutes < Infinity))) {
    return { guns, tags, move: words.includes('move'), checkedWithinMinutes: minutes }
  }
  throw new TrustError('INVALID_PARAMETERS', `"${text}" is not a rule`, { hint: `write it as ${RULE_HELP}` })
}

function show(policies: readonly (TagPolicy | DamagedRow)[]): string {
  if (policies.length === 0) return 'no rules: everybody may have signed what their grants allow'
  const rows = policies.flatMap((policy) => {
    if (isDamaged(policy)) return [[policy.name, DAMAGED]]
    return policy.rules.map(({ guns, tags, move, checkedWithinMinutes }) => [
      policy.subject,
      guns,
      tags,
      move ? 'may be moved' : 'stay',
      checkedWithinMinutes === null ? '-' : `within ${checkedWithinMinutes} min`,
    ])
  })
  return table([['WHO', 'REPOSITORIES', 'TAGS', 'EXISTING', 'SEEN IN REGISTRY'], ...rows])
}
