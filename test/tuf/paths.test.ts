import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesUnder } from '../../src/tuf/paths.ts'

test('a name fits if it begins with one of the paths', () => {
  const cases: readonly (readonly [paths: readonly string[], fitting: readonly string[], others: readonly string[]])[] =
    [
      [[], [], ['', 'a']],
      [[''], ['', 'a', '😀'], []],
      [
        ['b', 'a/', 'a/b'],
        ['b', 'bc', 'a/', 'a/c', 'a/b/c'],
        ['', 'a', 'a0', 'c'],
      ],
      [
        ['é', '😀', '\uffff'],
        ['é1', '😀', '\uffffz'],
        ['e', '\ud83d', '\ufffe'],
      ],
    ]
  for (const [paths, fitting, others] of cases) {
    const fits = namesUnder(paths)
    for (const name of fitting) assert.equal(fits(name), true, `${JSON.stringify(name)} under ${JSON.stringify(paths)}`)
    for (const name of others) assert.equal(fits(name), false, `${JSON.stringify(name)} under ${JSON.stringify(paths)}`)
  }
})

test('namesUnder agrees with comparing every path in turn', () => {
  const text = (): string =>
    Array.from({ length: Math.floor(Math.random() * 5) }, () => 'ab-'[Math.floor(Math.random() * 3)]).join('')
  for (let round = 0; round < 500; round += 1) {
    const paths = Array.from({ length: Math.floor(Math.random() * 6) }, text)
    const fits = namesUnder(paths)
    for (let each = 0; each < 20; each += 1) {
      const name = text()
      assert.equal(
        fits(name),
        paths.some((path) => name.startsWith(path)),
        JSON.stringify({ paths, name }),
      )
    }
  }
})

test('a name is not compared with each of very many paths', () => {
  let read = 0
  const paths = new Proxy(
    Array.from({ length: 10_000 }, (_, index) => `z${index}`),
    {
      get: (target, member) => {
        read += 1
        return Reflect.get(target, member) as unknown
      },
    },
  )
  const fits = namesUnder(paths)
  const before = read
  assert.deepEqual(
    ['v1', 'z5', 'z99999', 'zz'].map((name) => fits(name)),
    [false, true, true, false],
  )
  assert.equal(read, before)
})
