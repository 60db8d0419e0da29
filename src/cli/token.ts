import { Command } from 'commander'
import type { z } from 'zod'
import { tokenIdIn } from '../access/api-token.ts'
import { grantsText } from '../access/grant.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  TOKEN_LIFE_DAYS,
  TOKEN_MAX_DAYS,
  type TokenRow,
} from '../admin/tokens.ts'
import { TrustError } from '../errors.ts'
import { list } from './list.ts'
import { DRY_RUN_OPTION, JSON_OPTION, wholeNumber } from './options.ts'
import { ask } from './run.ts'
import { daysLeft } from './terminal/print.ts'
import { ALLOW_HELP, grantsFrom } from './user.ts'

interface Options {
  allow?: string[]
  owner?: string
  days?: number
  /** False with --no-end. */
  end?: boolean
}

export function tokenCommand(): Command {
  const token = new Command('token').description('API tokens: for CI jobs, and for programs that use the admin API')
  token
    .command('create')
    .description('make a token; its text is shown only once')
    .argument('<name>', 'what it is for; the journal names it')
    .requiredOption('--allow <grant...>', ALLOW_HELP)
    .option('--owner <user>', 'whose it is: it can never do more than this user (default: nobody)')
    .option('--days <days>', `how long it can be used (default: ${TOKEN_LIFE_DAYS})`, wholeNumber(1, TOKEN_MAX_DAYS))
    .option('--no-end', 'it never expires')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(create)
  token
    .command('list')
    .description('all tokens; exit code 1: one is damaged')
    .option(...JSON_OPTION)
    .action((_: Options, command: Command) => list(command, listTokens, TOKENS))
  token
    .command('revoke')
    .description('revoke a token, at once and forever')
    .argument('<token>', 'its name, or its id: the 16 digits after cs_')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((wanted: string, _: Options, command: Command) =>
      ask(
        command,
        revokeToken,
        // Somebody who found a token may paste all of it: do not send or print its secret.
        { token: tokenIdIn(wanted) ?? wanted },
        ({ id, name }) => `revoked token ${name} (${id})`,
      ),
    )
  return token
}

function create(name: string, { allow = [], owner, days, end }: Options, command: Command): Promise<void> {
  const input = async (): Promise<z.input<typeof createToken.input>> => {
    if (end === false && days !== undefined) {
      throw new TrustError('INVALID_PARAMETERS', 'use either --days or --no-end')
    }
    return { name, grants: grantsFrom(allow), owner, days: end === false ? null : days }
  }
  return ask(command, createToken, input, (made) => {
    const lines = [`created token ${name}, which may: ${grantsText(made.grants)}`]
    if (made.expires !== null) lines.push(`it ends at ${daysLeft(new Date(made.expires).toISOString(), Date.now())}`)
    if (made.token !== null) lines.push('', made.token, '', 'Keep it safe: it is not shown again.')
    return lines.join('\n')
  })
}

const TOKENS = {
  none: 'no tokens',
  head: ['TOKEN', 'ID', 'OWNER', 'ENDS', 'MAY'],
  cells: ({ name, id, owner, grants, expires, revoked }: TokenRow) => [
    name,
    id,
    owner ?? '-',
    revoked ? 'revoked' : expires === null ? 'no end' : daysLeft(new Date(expires).toISOString(), Date.now()),
    grantsText(grants),
  ],
}
