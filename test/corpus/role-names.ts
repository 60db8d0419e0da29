import { MALFORMED_UPLOAD, OK, uploadCase, type Case, type Expected } from './case.ts'

const INVALID_ROLE: Expected = { status: 400, code: 'INVALID_ROLE' }
const NO_FILENAME: Expected = { status: 400, code: 'NO_FILENAME' }

/** R1: part names. The content is a valid targets file, so that only the name can be refused. */
const NAMES: [string, Expected][] = [
  ['', NO_FILENAME],
  ['.json', NO_FILENAME],
  ...[
    ...[
      'Root',
      'ROOT',
      'roots',
      'root ',
      ' root',
      'root.json.json',
      'root.txt',
      'rooT.json',
      '/root',
      './root',
      '../root',
    ],
    ...[
      'root/',
      'root/x',
      'snapshot/x',
      'timestamp2',
      'mirrors',
      'key',
      'targets.key',
      'TARGETS',
      'targets/',
      'targets//a',
    ],
    ...[
      'targets/A',
      'targets/a.b',
      'targets/.',
      'targets/..',
      'targets/../root',
      'targets/./a',
      '/targets/a',
      'targets/a/',
    ],
    ...[
      'targets/é',
      'targets/a b',
      'targets/%61',
      'targets/a*',
      'targets/a%2fb',
      'targets;a',
      'targets/a:b',
      'x/targets/a',
      'targets/a/_trust/tuf/b',
    ],
    ...[
      '__proto__',
      'constructor',
      'toString',
      `targets/${'a'.repeat(250)}`,
      `targets${'/a'.repeat(33)}`,
      'a'.repeat(3_000),
    ],
  ].map((name): [string, Expected] => [name, INVALID_ROLE]),
  ['targets.json', OK],
]

export const roleNames = (): Case[] => [
  ...NAMES.map(([name, expected]) =>
    uploadCase('R1', `a part named "${name.slice(0, 40)}"${expected === OK ? ': accepted' : ''}`, expected, (world) => {
      const parts = world.nextParts('targets')
      return parts.map((part) => (part.role === 'targets' ? { ...part, role: name } : part))
    }),
  ),
  uploadCase('R1', 'a part whose header is longer than 4 KiB', MALFORMED_UPLOAD, (world) => {
    const parts = world.nextParts('targets')
    return parts.map((part) => (part.role === 'targets' ? { ...part, role: 'a'.repeat(5_000) } : part))
  }),
]
