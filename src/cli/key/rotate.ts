import type { Command } from 'commander'
import { planRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import { shellQuoted } from '../../tuf/gun.ts'
import { BASE_ROLES, type BaseRole, type HeldRole } from '../../tuf/role.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { forEachRepository, outcomeTable, WAITING_HINT, type Outcome } from '../fleet.ts'
import { namedRepositories } from '../named-repositories.ts'
import { JSON_OPTION, wholeNumber } from '../options.ts'
import { askedRoles, rolesIn, SERVER_MANAGED, type AskedRoles } from '../root/asked-roles.ts'
import { nextAuthority, hasAuthorityOptions, keptCertificate, workText } from '../root/authority.ts'
import { RootKeyring } from '../root/keyring.ts'
import { PASSPHRASE_OPTION } from '../root/passphrases.ts'
import { stageAndPublish, stageVersion } from '../root/stage-and-publish.ts'
import { withConnection } from '../run.ts'
import { print, printJson } from '../terminal/print.ts'
import { plan, type PlanOptions } from './plan.ts'

interface Options extends PlanOptions {
  all?: true
  adopted?: true
  plan?: true
  dryRun?: true
  passphraseFile?: string
}

type Rotated = Outcome<'rotated' | 'waits for signatures'> & { readonly roles?: readonly BaseRole[] }

const WAITS = { state: 'waits for signatures', hint: WAITING_HINT } as const

/** Adds `key rotate`. */
export function addRotate(key: Command): void {
  key
    .command('rotate')
    .description('give roles new keys: the next root names them, root keys sign that, and clients follow')
    .argument('<gun>', 'name of the repository; with --all or --adopted a pattern: docker.io/acme/*')
    .argument(
      '<role...>',
      `one or several, in one root: ${BASE_ROLES.join(', ')}; ${SERVER_MANAGED}: those whose keys the server holds`,
    )
    .option('--all', 'every repository that the pattern names')
    .option('--adopted', 'of those that the pattern names, each that was adopted and is not signed here yet')
    .option('--plan', 'only say who signs what, which clients follow, and what breaks')
    .option('--dry-run', 'the same')
    .option('--stage', 'make the next root, and leave it to be signed: by people, or away from the server')
    .option('--root-key <name...>', 'for root: the root keys from now on')
    .option('--root-threshold <n>', 'for root: how many of them must sign (default: as before)', wholeNumber(1))
    .option('--renew', 'for root: new certificates of the same keys')
    .option(`${PASSPHRASE_OPTION} <file>`, 'the passphrase of the root keys, instead of asking')
    .option(...JSON_OPTION)
    .action(rotate)
}

function rotate(target: string, names: readonly string[], options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const asked = askedRoles(names)
    hasAuthorityOptions(asked.named, options)
    const guns = await namedRepositories(connection, target, options)
    if (options.plan === true || options.dryRun === true) return plan(connection, guns, asked, options)
    const keyring = new RootKeyring(connection, options.passphraseFile)
    const outcomes = await forEachRepository(guns, (gun) => rotateOne(connection, keyring, gun, asked, options))
    if (options.json === true) printJson(outcomes)
    else show(outcomes, options)
    const wanted = options.stage === true ? 'waits for signatures' : 'rotated'
    return outcomes.every(({ state }) => state === wanted) ? EXIT.ok : EXIT.negative
  })
}

async function rotateOne(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  asked: AskedRoles,
  options: Options,
): Promise<Rotated> {
  const roles = await rolesIn(connection, gun, asked)
  const held = roles.filter((role): role is HeldRole => role !== 'root')
  const next = held.length < roles.length ? await authority(connection, keyring, gun, roles, options) : undefined
  const change =
    next === undefined
      ? { what: 'keys' as const, roles: held }
      : { what: 'root' as const, certificates: next.certificates, threshold: next.threshold, roles: held }
  if (options.stage === true) {
    await stageVersion(connection, gun, change, next?.version)
    return { gun, roles, ...WAITS }
  }
  const { version } = await stageAndPublish(connection, keyring, gun, change, next?.version)
  return version === undefined ? { gun, roles, ...WAITS } : { gun, roles, state: 'rotated', version }
}

/**
 * Returns certificates of the root keys from now on. Asks for the passphrases of those that need a new one.
 *
 * @returns also the version of the next root
 */
async function authority(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  roles: readonly BaseRole[],
  options: Options,
): Promise<{ certificates: string[]; threshold: number; version: number }> {
  const before = await connection.call(planRoot, { gun, roles })
  // An obstacle counts whatever root keys were chosen, and whoever has them.
  const [obstacle] = before.obstacles
  if (obstacle !== undefined) throw new TrustError('WRONG_STATE', `no new root can be made for ${gun}: ${obstacle}`)
  const { keys, threshold } = nextAuthority(await keyring.records(), before, options)
  const certificates: string[] = []
  for (const key of keys) {
    const kept = keptCertificate(before, key, options.renew)
    certificates.push(
      kept ?? (await keyring.certificate(await keyring.open(key.name), before.commonName, options.renew)),
    )
  }
  return { certificates, threshold, version: before.version }
}

function show(outcomes: readonly Rotated[], { renew }: Options): void {
  const [only] = outcomes
  if (only === undefined || outcomes.length > 1) return print(outcomeTable(outcomes))
  const { gun, roles = [], state, version } = only
  const done = workText(roles, renew, ['renewed', 'rotated'])
  if (state === 'rotated') print(`${done} of ${gun}: root version ${version}`)
  else
    print(
      `the next root of ${gun} waits for signatures; until then nothing changes: countersign root show ${shellQuoted(gun)}`,
    )
}
