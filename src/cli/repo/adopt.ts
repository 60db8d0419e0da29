import type { Command } from 'commander'
import { adoptRepository } from '../../admin/adopt.ts'
import { listStagedRoots } from '../../admin/roots.ts'
import type { ForeignDocument } from '../../registry/trust-data.ts'
import type { Adopted } from '../../repository/adoption/adopt.ts'
import { takeOverCommand } from '../../repository/signed-here.ts'
import { parseGun, shellQuoted, type Gun } from '../../tuf/gun.ts'
import type { Connection } from '../connection/connection.ts'
import { EXIT } from '../exit.ts'
import { failureTexts, forEachRepository, withHints, withTotals, type Failed } from '../fleet.ts'
import { mustNotBeEmpty } from '../given-file.ts'
import { DRY_RUN_OPTION, JSON_OPTION } from '../options.ts'
import { withConnection } from '../run.ts'
import { counted, daysLeft, note, print, printJson, short, table, withErrors, withWarnings } from '../terminal/print.ts'

interface Options {
  from: string
  tlscacert?: string
  trustedRoot?: string
  dryRun?: true
  json?: true
}

type Done = Adopted & { readonly gun: string; readonly state: 'adopted' | 'as before' }
type Row = Done | Failed

const NEXT =
  'not signed by this server yet; for that, bring the keys of a server of your own, or root keys must sign a new root (docs/ADOPTION.md):'

/** Hundreds of lines would push the table off the screen. */
const ALL_NEXT = "countersign key rotate '*' snapshot --adopted"

/** Adds `repo adopt`. */
export function addAdopt(repo: Command): void {
  repo
    .command('adopt')
    .description('take over repositories from another Notary server, or from what a client has cached')
    .argument('<gun...>', 'their names, as docker trust writes them: docker.io/acme/app')
    .requiredOption('--from <place>', 'https://notary.docker.io; or a directory: ~/.docker/trust')
    .option('--tlscacert <file>', 'the CA of the other server, if docker does not trust it here')
    .option(
      '--trusted-root <place>',
      "a root.json that is known to be right, or a client's directory, ~/.docker/trust: it must be one of the roots there",
    )
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nEverything is verified as a client would, and kept byte for byte. Until this' +
        '\nserver holds the keys, it serves what it has, and the same command brings what' +
        '\nis new; docs/ADOPTION.md says what comes next.',
    )
    .action(adopt)
}

function adopt(names: string[], options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const { from, tlscacert, trustedRoot: file, dryRun, json } = options
    mustNotBeEmpty(
      'directory',
      from,
      'for example --from ~/.docker/trust; or the URL of a server, https://notary.docker.io',
    )
    // Loaded here: other commands on repositories contact no other server.
    const { patience, trustAuthoritiesIn, trustDataAt, trustedRoots } = await import('./source.ts')
    if (tlscacert !== undefined) await trustAuthoritiesIn(tlscacert)
    const trustedRootOf = await trustedRoots(file)
    const patiently = patience((seconds, why) =>
      note(`${from} ${why}: waiting ${counted(seconds, 'second', 'seconds')}`),
    )
    const rows: Row[] = await forEachRepository(names, async (name) => {
      const gun = parseGun(name)
      // Hundreds of repositories take minutes, mostly for the other server.
      if (process.stderr.isTTY && names.length > 1) note(`${gun} …`)
      const trustedRoot = await trustedRootOf(gun)
      return adoptOne(connection, gun, await trustDataAt(from, gun, patiently), trustedRoot, dryRun)
    })
    if (json === true) printJson(rows)
    else print(show(rows, dryRun, dryRun === true ? [] : await nextSteps(connection, rows)))
    return rows.every(({ state }) => state !== 'failed') ? EXIT.ok : EXIT.negative
  })
}

async function adoptOne(
  connection: Connection,
  gun: Gun,
  found: readonly ForeignDocument[],
  trustedRoot: string | undefined,
  dryRun: true | undefined,
): Promise<Done> {
  const documents = found.map(({ role, bytes }) => ({ role, bytes: bytes.toString('base64') }))
  const adopted = await connection.call(adoptRepository, { gun, documents, trustedRoot }, dryRun)
  return { ...adopted, state: adopted.changed ? 'adopted' : 'as before' }
}

/** Returns commands that make this server sign what it does not sign yet; where a root already waits, none can be made. */
async function nextSteps(connection: Connection, rows: readonly Row[]): Promise<string[]> {
  const waiting = new Set(rows.flatMap((row) => (row.state === 'failed' || row.signedHere ? [] : [row.gun])))
  if (waiting.size === 0) return []
  // Report what was done even if the server has stopped since.
  const roots = await connection.call(listStagedRoots, {}).catch(() => [])
  const staged = new Set(roots.map(({ gun }) => gun))
  const [only = ''] = waiting
  const fresh = [...waiting].filter((gun) => !staged.has(gun))
  if (waiting.size === 1) {
    const gun = parseGun(only)
    return [fresh.length === 1 ? takeOverCommand(gun) : `countersign root show ${shellQuoted(gun)}`]
  }
  return [...(fresh.length > 0 ? [ALL_NEXT] : []), ...(fresh.length < waiting.size ? ['countersign root waiting'] : [])]
}

function show(rows: readonly Row[], dryRun: true | undefined, next: readonly string[]): string {
  const now = Date.now()
  const cells = rows.map((row): string[] => {
    if (row.state === 'failed') return [row.gun, row.state]
    const { gun, roots, version, rootKeys, timestampEnds, signedHere } = row
    const state = row.state === 'adopted' && dryRun === true ? 'would be adopted' : row.state
    const until = signedHere ? 'signed here' : daysLeft(timestampEnds, now)
    const keys = rootKeys.map(short).join(', ')
    return [
      gun,
      state,
      roots.first === roots.last ? `${roots.last}` : `${roots.first}-${roots.last}`,
      keys,
      `${version}`,
      until,
    ]
  })
  const text = withTotals(
    table([['REPOSITORY', 'STATE', 'ROOTS', 'ROOT KEY', 'TARGETS', 'TIMESTAMP'], ...cells]),
    cells.map(([, state = '']) => state),
  )
  const failed = rows.filter((row) => row.state === 'failed')
  const done = rows.filter((row) => row.state !== 'failed')
  const warnings = done.flatMap((row) => row.warnings.map((warning) => `${row.gun}: ${warning}`))
  const told = withWarnings(withHints(withErrors(text, failureTexts(failed)), failed), warnings)
  if (next.length === 0) return told
  const waiting = done.filter(({ signedHere }) => !signedHere).length
  return [told, waiting === 1 ? NEXT : `${waiting} ${NEXT}`, ...next.map((command) => `  ${command}`)].join('\n')
}
