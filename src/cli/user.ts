import { Command } from 'commander'
import type { z } from 'zod'
import { grantsText, parseGrant } from '../access/grant.ts'
import { ACTIONS, type Grant } from '../access/permission.ts'
import { addUser, listUsers, removeUser, setPassword, setUser, type UserRow } from '../admin/users.ts'
import { TrustError } from '../errors.ts'
import { list } from './list.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from './options.ts'
import { ask, connected } from './run.ts'
import { newSecretFrom } from './terminal/ask-secret.ts'
import { counted } from './terminal/print.ts'

interface Options {
  allow?: string[]
  passwordFile?: string
  /** False with --no-password. */
  password?: boolean
  disable?: true
  enable?: true
}

export const ALLOW_HELP = `ACTIONS:PATTERN, as in read,sign:docker.io/acme/*; of ${ACTIONS.join(', ')}; may be repeated`

export function userCommand(): Command {
  const user = new Command('user').description('who may do what; see also "token"')
  user
    .command('list')
    .description('all users; exit code 1: one is damaged')
    .option(...JSON_OPTION)
    .action((_: Options, command: Command) => list(command, listUsers, USERS))
  user
    .command('add')
    .description('make a user; the password is asked for. Without --allow they may do nothing yet')
    .argument('<name>', 'login name')
    .option('--allow <grant...>', ALLOW_HELP)
    .option('--password-file <file>', 'the password, instead of asking')
    .option('--no-password', 'none: only tokens and client certificates')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(add)
  user
    .command('set')
    .description('change what a user may do from now on; their tokens can never do more')
    .argument('<name>', 'login name')
    .option('--allow <grant...>', `all that they may do, instead of what it was: ${ALLOW_HELP}`)
    .option('--disable', 'recognise neither the user nor their tokens')
    .option('--enable', 'recognise them again')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(set)
  user
    .command('password')
    .description('change the password of a user; it is asked for')
    .argument('<name>', 'login name')
    .option('--password-file <file>', 'the password, instead of asking')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(changePassword)
  user
    .command('remove')
    .description('remove a user, and revoke their tokens')
    .argument('<name>', 'login name')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action((name: string, _: Options, command: Command) =>
      ask(command, removeUser, { name }, ({ revokedTokens }) => {
        const tokens = revokedTokens === 0 ? '' : `, revoked ${counted(revokedTokens, 'token', 'tokens')}`
        return `removed user ${name}${tokens}`
      }),
    )
  return user
}

/** Parses the values of `--allow`. @throws TrustError INVALID_PARAMETERS */
export function grantsFrom(texts: readonly string[]): { pattern: string; actions: Grant['actions'][number][] }[] {
  return texts.map(parseGrant).map(({ pattern, actions }) => ({ pattern, actions: [...actions] }))
}

function add(name: string, { allow = [], password, passwordFile }: Options, command: Command): Promise<void> {
  const input = async (): Promise<z.input<typeof addUser.input>> => {
    const grants = grantsFrom(allow)
    if (password === false && passwordFile !== undefined) {
      throw new TrustError('INVALID_PARAMETERS', 'use either --password-file or --no-password')
    }
    if (password === false) return { name, grants }
    // A name that is taken is refused before anybody thinks of a password for it.
    if (passwordFile === undefined) await connected(command, (server) => server.call(addUser, { name, grants }, true))
    return { name, grants, password: await newSecretFrom(passwordFile, `password of ${name}`, '--password-file') }
  }
  return ask(command, addUser, input, (user) => `added user ${line(user)}`)
}

function set(name: string, { allow, disable, enable }: Options, command: Command): Promise<void> {
  const input = async (): Promise<z.input<typeof setUser.input>> => {
    if (disable && enable) throw new TrustError('INVALID_PARAMETERS', 'use either --disable or --enable')
    if (allow === undefined && disable === undefined && enable === undefined) {
      throw new TrustError('INVALID_PARAMETERS', 'use --allow, --disable or --enable')
    }
    return { name, grants: allow && grantsFrom(allow), disabled: enable === true ? false : disable }
  }
  return ask(command, setUser, input, (user) => `changed user ${line(user)}`)
}

function changePassword(name: string, { passwordFile }: Options, command: Command): Promise<void> {
  const input = async (): Promise<z.input<typeof setPassword.input>> => {
    // Nobody should type a password twice for a name that is mistyped. This changes nothing, and finds the user.
    if (passwordFile === undefined) await connected(command, (server) => server.call(setUser, { name }, true))
    return { name, password: await newSecretFrom(passwordFile, `new password of ${name}`, '--password-file') }
  }
  return ask(command, setPassword, input, () => `changed the password of ${name}`)
}

const USERS = {
  none: 'no users',
  head: ['USER', 'LOGIN', 'MAY'],
  cells: ({ name, grants, hasPassword, disabled }: UserRow) => [
    name,
    disabled ? 'disabled' : hasPassword ? 'password' : 'no password',
    grantsText(grants),
  ],
}

function line({ name, grants, disabled }: UserRow): string {
  return `${name}, who may: ${grantsText(grants)}${disabled ? ' (disabled)' : ''}`
}
