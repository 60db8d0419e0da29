import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { stagedForPeople } from '../../src/cli/root/describe.ts'
import { takeOverCommand } from '../../src/repository/signed-here.ts'
import { parseGun, shellQuoted } from '../../src/tuf/gun.ts'

test('a printed command is safe to paste into a shell, whatever the repository’s name', () => {
  for (const name of [
    'a/b ~',
    "a/it's",
    'a/$(touch x);b',
    'a/`b`',
    'a/b #c',
    'a/"b" & c',
    'köln/日本',
    'a/b',
    '%41:5/x_y-z.w+1@2',
  ]) {
    const gun = parseGun(name)
    const shell = (command: string): string => String(execFileSync('sh', ['-c', command]))
    assert.equal(shell(`printf %s ${shellQuoted(gun)}`), name)
    const words = takeOverCommand(gun).replace('countersign', String.raw`printf '%s\n'`)
    assert.equal(shell(words), `key\nrotate\n${name}\nsnapshot\n`)
  }
  const need = { threshold: 1, keys: [{ id: 'a', keyId: 'a', signed: false }] }
  const staged = {
    version: 2,
    payload: {},
    signatures: [],
    reason: 'x',
    by: 'x',
    at: 'x',
    former: undefined,
    own: need,
    complete: false,
  }
  const said = stagedForPeople({ ...staged, gun: "a/it's" }, [{ keyId: 'a', name: 'a', holder: 'sealed here' }])
  assert.match(said, /countersign root sign 'a\/it'\\''s'\n.*countersign root show 'a\/it'\\''s' --out FILE$/)
  assert.equal(shellQuoted(parseGun('docker.io/library/alpine')), 'docker.io/library/alpine')
})

test('a name that could be read in two ways is refused', () => {
  const inside = ['\u0000', '\n', '\u007f', '\u0085', '\u00a0', '\u2028', '\u2029', '\ufeff', '*', '\\', '\ud800']
  const names = [...inside.map((character) => `a${character}b`), '', '/a', 'a/', 'a//b', './a', 'a/.', 'a/../b']
  for (const name of [...names, 'x'.repeat(256), 'é'.repeat(128)]) {
    assert.throws(() => parseGun(name), { code: 'INVALID_GUN' }, JSON.stringify(name))
  }
  for (const name of ['a b', 'A/é', '.../a', 'x'.repeat(255), 'é'.repeat(127)]) assert.equal(parseGun(name), name)
})

test('the refusal of a URL says what to leave out', () => {
  assert.throws(() => parseGun('https://docker.io/acme/app'), { message: /it is a URL: leave out .* https:\/\/$/ })
})

test('the refusal names the character that is not allowed, by its code point if it is invisible', () => {
  const message = (name: string): RegExp => new RegExp(`the character ${name} is not allowed$`)
  assert.throws(() => parseGun('docker.io/acme/*'), { message: message(String.raw`\*`) })
  assert.throws(() => parseGun('docker.io/acme/app\ufeff'), { message: message(String.raw`U\+FEFF`) })
  assert.throws(() => parseGun('docker.io/acme/app\n'), { message: message(String.raw`U\+000A`) })
})
