import type { Command } from 'commander'
import { parsePattern } from '../access/grant.ts'
import { matches } from '../access/permission.ts'
import { listRepositories } from '../admin/repositories.ts'
import { planRoot, stageNextRoot } from '../admin/roots.ts'
import { TrustError } from '../errors.ts'
import type { RotationPlan } from '../repository/rotation-plan.ts'
import { parseGun, typed } from '../tuf/gun.ts'
import { BASE_ROLES, type BaseRole } from '../tuf/role.ts'
import type { Connection } from './connect.ts'
import { inEach, outcomeTable, type Outcome } from './fleet.ts'
import { JSON_OPTION, wholeNumber } from './options.ts'
import { print, printJson } from './print.ts'
import { nextAuthority, saysAuthority, type AuthorityOptions, type NextAuthority } from './root-authority.ts'
import { PASSPHRASE_OPTION, RootKeyring } from './root-keys.ts'
import { EXIT, withConnection } from './run.ts'
import { stageAndPublish } from './sign-root.ts'

interface Options extends AuthorityOptions {
  all?: true
  adopted?: true
  plan?: true
  dryRun?: true
  stage?: true
  passphraseFile?: string
  json?: true
}

/** A plan, and the root keys that were said for it. */
type Plan = RotationPlan & {
  next?: { readonly threshold: number; readonly keys: readonly { readonly name: string; readonly keyId: string }[] }
}

/** Among many, one that cannot be planned: its obstacle says why. */
type Unplanned = Pick<Plan, 'gun' | 'role' | 'obstacles'>

type Rotated = Outcome<'rotated' | 'waits for signatures'>

/** Adds `key rotate`. */
export function addRotate(key: Command): void {
  key
    .command('rotate')
    .description('give a role a new key: the next root names it, root keys sign that, and clients follow')
    .argument('<gun>', 'name of the repository; with --all or --adopted a pattern: docker.io/acme/*')
    .argument('<role>', BASE_ROLES.join(', '))
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

function rotate(target: string, roleName: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const role = roleOf(roleName)
    saysAuthority(role, options)
    const guns = await gunsOf(connection, target, options)
    if (options.plan === true || options.dryRun === true) return plan(connection, guns, role, options)
    const keyring = new RootKeyring(connection, options.passphraseFile)
    const outcomes = await inEach(guns, (gun) => rotateOne(connection, keyring, gun, role, options))
    if (options.json === true) printJson(outcomes)
    else show(outcomes, role)
    const wanted = options.stage === true ? 'waits for signatures' : 'rotated'
    return outcomes.every(({ state }) => state === wanted) ? EXIT.ok : EXIT.negative
  })
}

async function rotateOne(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  role: BaseRole,
  options: Options,
): Promise<Rotated> {
  const change =
    role === 'root'
      ? { what: 'root' as const, ...(await authority(connection, keyring, gun, options)) }
      : { what: role }
  if (options.stage === true) {
    await connection.call(stageNextRoot, { gun, change })
    return { gun, state: 'waits for signatures' }
  }
  const { version } = await stageAndPublish(connection, keyring, gun, change)
  return version === undefined ? { gun, state: 'waits for signatures' } : { gun, state: 'rotated', version }
}

/** Certificates of the root keys from now on; their passphrases are asked for. */
async function authority(
  connection: Connection,
  keyring: RootKeyring,
  gun: string,
  options: Options,
): Promise<{ certificates: string[]; threshold: number }> {
  const before = await connection.call(planRoot, { gun, role: 'root' })
  // Whatever root keys were said, and whoever has them.
  const [obstacle] = before.obstacles
  if (obstacle !== undefined) throw new TrustError('WRONG_STATE', `no other root can be made for ${gun}: ${obstacle}`)
  const { keys, threshold } = await nextAuthority(keyring, before, options)
  const certificates: string[] = []
  for (const { name } of keys) {
    certificates.push(await keyring.certificate(await keyring.open(name), before.commonName, options.renew))
  }
  return { certificates, threshold }
}

async function plan(
  connection: Connection,
  guns: readonly string[],
  role: BaseRole,
  options: Options,
): Promise<number> {
  const keyring = new RootKeyring(connection, undefined)
  const plans: (Plan | Unplanned)[] = []
  for (const gun of guns) {
    try {
      const found = await connection.call(planRoot, { gun, role })
      const said = saysAuthority(role, options) && found.obstacles.length === 0
      plans.push(said ? planned(found, await nextAuthority(keyring, found, options)) : found)
    } catch (error) {
      if (guns.length === 1 || !(error instanceof TrustError)) throw error
      plans.push({ gun, role, obstacles: [error.message] })
    }
  }
  if (options.json === true) printJson(plans)
  else print(plans.map(planText).join('\n\n'))
  return plans.every(({ obstacles }) => obstacles.length === 0) ? EXIT.ok : EXIT.negative
}

/** With what was said of the root keys from now on: the new ones sign too, so they must be here. */
function planned(found: RotationPlan, { keys, threshold }: NextAuthority): Plan {
  const offline = keys.filter(({ sealed }) => sealed === null)
  return {
    ...found,
    next: { threshold, keys: keys.map(({ name, keyId }) => ({ name, keyId })) },
    obstacles: [
      ...found.obstacles,
      ...offline.map(({ name }) => `the root key ${name} is offline: "countersign root import" it first`),
    ],
  }
}

function planText(each: Plan | Unplanned): string {
  const title = `Rotating the ${each.role} key of ${each.gun}`
  const obstacles = each.obstacles.map((text) => `  cannot be done: ${text}`)
  if (!('version' in each)) return [title, ...obstacles].join('\n')
  const stuck = each.cachedRoots.filter(({ follows }) => !follows)
  const clients =
    stuck.length === 0
      ? 'all clients follow, whichever root they have cached'
      : stuck.map(({ version, why = '' }) => `clients with root version ${version} do not follow: ${why}`).join('\n  ')
  return [
    title,
    `  root version ${each.version}, signed by ${each.threshold} of:`,
    ...each.signers.map((keyId) => `    ${keyId}`),
    ...(each.next === undefined ? [] : [`  from then on each root is signed by ${each.next.threshold} of:`]),
    ...(each.next?.keys ?? []).map(({ name, keyId }) => `    ${keyId} ${name}`),
    `  signed by the server with it: ${each.serverSigns.join(', ')}`,
    `  ${clients}`,
    ...each.breaks.map((text) => `  breaks: ${text}`),
    ...obstacles,
  ].join('\n')
}

function show(outcomes: readonly Rotated[], role: BaseRole): void {
  const [only] = outcomes
  if (only === undefined || outcomes.length > 1) return print(outcomeTable(outcomes))
  const { gun, state, version } = only
  if (state === 'rotated') print(`rotated the ${role} key of ${gun}: root version ${version}`)
  else
    print(
      `the next root of ${gun} waits for signatures; until then nothing changes: countersign root show ${typed(gun)}`,
    )
}

async function gunsOf(connection: Connection, target: string, { all, adopted }: Options): Promise<string[]> {
  if (all !== true && adopted !== true) return [parseGun(target)]
  const wanted = parsePattern(target)
  const rows = await connection.call(listRepositories, {})
  const asked = adopted === true ? rows.filter((row) => !('damaged' in row) && !row.signedHere) : rows
  const named = asked.map(({ gun }) => parseGun(gun)).filter((gun) => matches(wanted, gun))
  if (named.length > 0) return named
  const text = adopted === true ? 'names no repository that waits to be signed here' : 'names no repository'
  throw new TrustError('NOT_FOUND', `${target} ${text}`, {
    hint: '"countersign repo list" prints all names',
  })
}

function roleOf(name: string): BaseRole {
  const role = BASE_ROLES.find((each) => each === name)
  if (role !== undefined) return role
  throw new TrustError('INVALID_ROLE', `the role must be one of ${BASE_ROLES.join(', ')}`)
}
