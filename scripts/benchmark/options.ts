import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ContenderName } from './contender.ts'

export const USAGE = `usage: scripts/bench [options]

  --only NAME,…        these measures; a name may end in *
  --against WHO,…      Go's servers: memory, postgres (default: both); none;
                       bare: the least that a server in Node can do; a directory: another checkout of this
  --rounds N           rounds of each measure (default 5)
  --seconds N          length of one round (default 4)
  --quick              2 rounds of 1.5 seconds: shows that it works; not for figures
  --large              also what takes long: 100,000 repositories
  --json FILE          write everything that was found out
  --write-docs         put the tables into docs/PERFORMANCE.md
  --list               print the names of all measures
`

const NAMED = ['memory', 'postgres', 'bare']

export interface Options {
  readonly only: readonly string[] | undefined
  readonly against: readonly Exclude<ContenderName, 'countersign'>[]
  /** Directory of the contender `other`. */
  readonly checkout: string | undefined
  readonly rounds: number
  readonly seconds: number
  readonly large: boolean
  readonly json: string | undefined
  readonly writeDocs: boolean
  readonly list: boolean
}

/** @returns undefined for --help @throws Error that says which option is wrong */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      against: { type: 'string', default: 'memory,postgres' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      large: { type: 'boolean', default: false },
      json: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const named = values.against.split(',').filter((name) => name !== 'none')
  const checkout = named.find((name) => name.includes('/'))
  const against = named.map((name) => (name === checkout ? 'other' : name))
  const unknown = named.find((name) => name !== checkout && !NAMED.includes(name))
  if (unknown !== undefined)
    throw new Error(`--against takes ${NAMED.join(', ')}, none and one directory, not ${unknown}`)
  return {
    only: values.only?.split(','),
    against: against as Options['against'],
    checkout: checkout === undefined ? undefined : resolve(checkout),
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '2' : '5')),
    seconds: positive('--seconds', values.seconds ?? (values.quick ? '1.5' : '4')),
    large: values.large,
    json: values.json,
    writeDocs: values['write-docs'],
    list: values.list,
  }
}

/** True if one of the requested names matches; `publish*` matches every name that begins so. */
export function isAsked(only: readonly string[], name: string): boolean {
  return only.some((asked) => (asked.endsWith('*') ? name.startsWith(asked.slice(0, -1)) : name === asked))
}

function positive(option: string, text: string): number {
  const number = Number(text)
  if (!(number > 0)) throw new Error(`${option} takes a number above 0, not ${text}`)
  return number
}
