import type { Command } from 'commander'
import { stageNextRoot } from '../../admin/roots.ts'
import { TrustError } from '../../errors.ts'
import { issueRootCertificate } from '../../signing/root-certificate.ts'
import { makeRootKey } from '../../signing/root-key.ts'
import { isNameInDocker, nameInDocker } from '../../tuf/docker-name.ts'
import { parseGun, shellQuoted, type Gun } from '../../tuf/gun.ts'
import { EXIT } from '../exit.ts'
import { DRY_RUN_OPTION, JSON_OPTION, wholeNumber } from '../options.ts'
import { mustReachThreshold } from '../root/authority.ts'
import { DEFAULT_ROOT_KEY, RootKeyring } from '../root/keyring.ts'
import { PASSPHRASE_OPTION } from '../root/passphrases.ts'
import { stageAndPublish } from '../root/stage-and-publish.ts'
import { withConnection } from '../run.ts'
import { note, print, printJson } from '../terminal/print.ts'

interface Options {
  rootKey?: string[]
  rootThreshold?: number
  wildcard?: string
  passphraseFile?: string
  dryRun?: true
  json?: true
}

/** Adds `repo create`. */
export function addCreate(repo: Command): void {
  repo
    .command('create')
    .description('make a repository whose targets, snapshot and timestamp the server signs; root is signed here')
    .argument('<gun>', 'its name, as docker trust writes it: docker.io/acme/app')
    .option('--root-key <name...>', `root keys that it trusts (default: "${DEFAULT_ROOT_KEY}", made at its first use)`)
    .option('--root-threshold <n>', 'how many of them must sign each root (default: 1)', wholeNumber(1))
    .option('--wildcard <prefix>', 'a certificate for all repositories below, as in docker.io/acme/*')
    .option(`${PASSPHRASE_OPTION} <file>`, 'the passphrase of the root keys, instead of asking')
    .option(...DRY_RUN_OPTION)
    .option(...JSON_OPTION)
    .action(create)
}

function create(name: string, options: Options, command: Command): Promise<void> {
  return withConnection(command, async (connection) => {
    const gun = parseGun(name)
    const { rootKey: names = [], dryRun, json } = options
    const commonName = commonNameOf(gun, options.wildcard)
    const threshold = options.rootThreshold ?? 1
    mustReachThreshold(threshold, new Set(names).size || 1)
    // Test with a throwaway key whether the repository can exist, before a real key is made and stored.
    const { public: unused } = await issueRootCertificate(makeRootKey(), commonName, Date.now())
    await connection.call(stageNextRoot, { gun, change: { what: 'create', certificates: [unused] } }, true)
    warnOfName(gun)
    const keyring = new RootKeyring(connection, options.passphraseFile, dryRun)
    const certificates: string[] = []
    for (const wanted of names.length === 0 ? [undefined] : names) {
      certificates.push(await keyring.certificate(await keyring.openOrCreate(wanted), commonName))
    }
    const change = { what: 'create' as const, certificates, threshold }
    if (dryRun === true) {
      await connection.call(stageNextRoot, { gun, change }, true)
      if (json === true) printJson({ gun, created: false, staged: null })
      else print(`would create ${gun}`)
      return EXIT.ok
    }
    const { staged, version } = await stageAndPublish(connection, keyring, gun, change)
    if (json === true) printJson({ gun, created: version !== undefined, staged: version === undefined ? staged : null })
    else if (version === undefined)
      print(`${gun} waits for more signatures: "countersign root show ${shellQuoted(gun)}"`)
    else print(`created ${gun}; sign a tag: countersign tag sign ${shellQuoted(gun)} TAG`)
    return EXIT.ok
  })
}

/**
 * Warns of a name that docker does not know. It may be meant for notary; typed for docker, it is an error that only
 * clients would notice.
 */
function warnOfName(gun: Gun): void {
  const name = nameInDocker(gun)
  if (!isNameInDocker(gun))
    note(`warning: docker has no repositories named like ${gun}: names are lower case, without a tag`)
  else if (name !== gun) note(`warning: docker looks for it under ${name}, not under ${gun}`)
}

/** @throws TrustError INVALID_PARAMETERS for a wildcard that does not name the repository */
function commonNameOf(gun: string, wildcard: string | undefined): string {
  if (wildcard === undefined) return gun
  if (wildcard.endsWith('/*') && gun.startsWith(wildcard.slice(0, -1))) return wildcard
  throw new TrustError('INVALID_PARAMETERS', `${wildcard} does not name ${gun}`, {
    hint: 'write it like docker.io/acme/*',
  })
}
