import { Option, type Command } from 'commander'
import { pinRepository } from '../../admin/repositories.ts'
import { TrustError } from '../../errors.ts'
import { forTerminals } from '../../log/for-terminals.ts'
import { EXIT } from '../exit.ts'
import { failureTexts, forEachRepository, withHints, type Failed } from '../fleet.ts'
import { namedRepositories } from '../named-repositories.ts'
import { JSON_OPTION } from '../options.ts'
import { withConnection } from '../run.ts'
import { note, prefixed, print, printJson } from '../terminal/print.ts'
import { connaisseurRoots, notaryPinning, pinForPeople, pinsForPeople, type Pin } from './pin-text.ts'

/** Clients that can be told what to believe. */
const CLIENTS = ['docker', 'notary', 'connaisseur'] as const

interface Options {
  for?: (typeof CLIENTS)[number]
  all?: true
  json?: true
}

/** Adds `repo pin`. */
export function addPin(repo: Command): void {
  repo
    .command('pin')
    .description('what clients may pin: the root to start from, instead of the first one that they see')
    .argument('<gun>', 'its name; with --all a pattern: docker.io/acme/*')
    .addOption(
      new Option('--for <client>', 'only what this client reads: root.json, trust_pinning, trustRoots')
        .choices(CLIENTS)
        .conflicts('json'),
    )
    .option('--all', 'every repository that the pattern names; not for docker')
    .option(...JSON_OPTION)
    .action(pin)
}

function pin(target: string, { for: client, all, json }: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    if (client === 'docker' && all === true) {
      throw new TrustError('INVALID_PARAMETERS', 'each repository has a root.json of its own', {
        hint: 'name one repository, without --all',
      })
    }
    const guns = await namedRepositories(connection, target, { all })
    const found = await forEachRepository(guns, (gun) => connection.call(pinRepository, { gun }))
    const pins = found.filter((each): each is Pin => !isFailed(each))
    if (json === true) printJson(all === true ? found : found[0])
    else show(pins, client, all)
    const failed = found.filter(isFailed)
    if (json !== true && failed.length > 0) {
      const errors = failureTexts(failed).map((text) => prefixed('error', text))
      note(withHints(errors.join('\n'), failed))
    }
    return failed.length > 0 ? EXIT.negative : EXIT.ok
  })
}

function isFailed(outcome: Pin | Failed): outcome is Failed {
  return 'error' in outcome
}

function show(pins: readonly Pin[], client: Options['for'], all: Options['all']): void {
  const [first] = pins
  if (first === undefined) return
  // Byte for byte, without a line feed at the end: the snapshot has its checksum.
  if (client === 'docker') process.stdout.write(process.stdout.isTTY ? forTerminals(first.root) : first.root)
  else if (client === 'notary') printJson(notaryPinning(pins))
  else if (client === 'connaisseur') print(connaisseurRoots(pins))
  else print(all === true ? pinsForPeople(pins) : pinForPeople(first, Date.now()))
}
